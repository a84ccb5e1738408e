// The house's charts over time, each beside the period before.
import { SimpleGrid } from '@mantine/core'
import type { MeteringReply } from '../../../protocol/metering.ts'
import { TimeChart } from '../ui/time-chart.tsx'
import type { Series } from '../ui/time-chart-rows.ts'

type Point = MeteringReply['points'][number]

const CHARTS: readonly { readonly title: string; readonly series: readonly Series<Point>[] }[] = [
  {
    title: 'Calls',
    series: [
      { key: 'calls', label: 'all', unit: 'calls', of: ({ calls }) => calls },
      { key: 'errors', label: 'failed', unit: 'calls', color: 'red.7', of: ({ errors }) => errors },
    ],
  },
  {
    title: 'Tokens',
    series: [
      { key: 'input', label: 'input', unit: 'tokens', of: ({ inputTokens }) => inputTokens },
      { key: 'output', label: 'output', unit: 'tokens', of: ({ outputTokens }) => outputTokens },
    ],
  },
  {
    title: 'Money',
    series: [
      { key: 'charge', label: 'charged', unit: '$', of: ({ charge }) => charge },
      { key: 'operators', label: 'to operators', unit: '$', of: ({ operators }) => operators },
      { key: 'authors', label: 'to authors', unit: '$', of: ({ authors }) => authors },
      { key: 'house', label: 'to the house', unit: '$', of: ({ house }) => house },
    ],
  },
  {
    title: 'Time to the first token',
    series: latencies((point) => point.firstTokenMs),
  },
  {
    title: 'Time to the whole answer',
    series: latencies((point) => point.durationMs),
  },
  {
    title: 'Tensors',
    series: [{ key: 'bytes', label: 'in and out', unit: 'bytes', of: ({ tensorBytes }) => tensorBytes }],
  },
]

function latencies(of: (point: Point) => Point['durationMs']): Series<Point>[] {
  return [
    { key: 'p50', label: 'half of the calls', unit: 'ms', of: (point) => of(point)?.p50 ?? null },
    { key: 'p90', label: '90 %', unit: 'ms', of: (point) => of(point)?.p90 ?? null },
    { key: 'p99', label: '99 %', unit: 'ms', of: (point) => of(point)?.p99 ?? null },
  ]
}

export function MeteringCharts({
  metering: { from, to, step, points, before },
  onZoom,
}: {
  metering: MeteringReply
  onZoom: (from: string, to: string) => void
}) {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      {CHARTS.map(({ title, series }) => (
        <TimeChart
          key={title}
          title={title}
          from={from}
          to={to}
          step={step}
          points={points}
          before={before.points}
          series={series}
          onZoom={onZoom}
        />
      ))}
    </SimpleGrid>
  )
}

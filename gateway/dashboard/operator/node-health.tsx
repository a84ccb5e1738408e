// A node over time: calls and failures, how fast it answers, what it earned. The range stands in the address.
import { Group, Stack } from '@mantine/core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import type { NodeHistoryReply } from '../../../protocol/metering.ts'
import { RangePicker } from '../ui/range-picker.tsx'
import { rangeOf, type RangeSearch } from '../ui/range.ts'
import { Loaded } from '../ui/state.tsx'
import { TimeChart } from '../ui/time-chart.tsx'
import type { Series } from '../ui/time-chart-rows.ts'
import { historyQuery } from './node-queries.ts'

const route = getRouteApi('/nodes/$nodeId')

export function NodeHealth({ nodeId }: { nodeId: string }) {
  const search = route.useSearch()
  const navigate = useNavigate()
  const query = useQuery({
    ...historyQuery(nodeId, rangeOf(search, Date.now())),
    placeholderData: keepPreviousData,
  })
  const show = (next: RangeSearch) =>
    void navigate({ to: '/nodes/$nodeId', params: { nodeId }, search: { view: 'health', ...next }, replace: true })
  return (
    <Stack>
      <Group justify="flex-end">
        <RangePicker search={search} onChange={show} />
      </Group>
      <Loaded query={query} rows={12}>
        {(history) => (
          <>
            {CHARTS.map(({ title, series }) => (
              <TimeChart
                key={title}
                title={title}
                {...history}
                series={series}
                onZoom={(from, to) => show({ from, to })}
              />
            ))}
          </>
        )}
      </Loaded>
    </Stack>
  )
}

type Point = NodeHistoryReply['points'][number]

const CHARTS: readonly { readonly title: string; readonly series: readonly Series<Point>[] }[] = [
  {
    title: 'Calls',
    series: [
      { key: 'calls', label: 'Calls', unit: 'calls', of: ({ calls }) => calls },
      { key: 'errors', label: 'Failed', unit: 'calls', of: ({ errors }) => errors },
    ],
  },
  {
    title: 'Time to the first token',
    series: [
      { key: 'p50', label: 'Half within', unit: 'ms', of: ({ firstTokenMs }) => firstTokenMs?.p50 ?? null },
      { key: 'p90', label: '90 % within', unit: 'ms', of: ({ firstTokenMs }) => firstTokenMs?.p90 ?? null },
      { key: 'p99', label: '99 % within', unit: 'ms', of: ({ firstTokenMs }) => firstTokenMs?.p99 ?? null },
    ],
  },
  {
    title: 'Earned',
    series: [{ key: 'earned', label: 'Earned', unit: '$', of: ({ earned }) => earned }],
  },
]

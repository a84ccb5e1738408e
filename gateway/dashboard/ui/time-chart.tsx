// A chart over time: lines, a dashed one for the period before, zoom by dragging or by buttons, and the same numbers as a table for who cannot see it. What
// draws it is large, so it is fetched once the figures of the page stand.
import { ActionIcon, Box, Card, Group, Skeleton, Text, Title } from '@mantine/core'
import { IconArrowLeft, IconArrowRight, IconZoomIn, IconZoomOut } from '@tabler/icons-react'
import { lazy, Suspense, useId, useState, type ReactNode } from 'react'
import type { Step } from '../../../protocol/metering.ts'
import { quantity } from './quantity.ts'
import { Records, type Column } from './records.tsx'
import { pageStands } from './stands.ts'
import { isGap, rowsOf, STEP_MS, type Row, type Series } from './time-chart-rows.ts'
import { When } from './when.tsx'

const Drawing = lazy(async () => {
  await pageStands()
  return { default: (await import('./time-chart-drawing.tsx')).TimeChartDrawing }
})

/** each at least 3:1 against both backgrounds (WCAG 2.2, 1.4.11) */
const COLORS = ['blue.6', 'orange.8', 'teal.8', 'grape.6', 'red.7', 'gray.6'] as const
const HEIGHT_PX = 240
/** fewer hours or days are no line */
const STEPS_MIN = 3

export interface TimeChartProps<Point> {
  readonly title: string
  /** as the reply says them: `to` is exclusive */
  readonly from: string
  readonly to: string
  readonly step: Step
  readonly points: readonly Point[]
  /** of the period of the same length right before */
  readonly before?: readonly Point[]
  readonly series: readonly Series<Point>[]
  /** another range was chosen in the chart: put it into the URL */
  readonly onZoom?: (from: string, to: string) => void
  /** beside the title, such as the sum */
  readonly aside?: ReactNode
}

export function TimeChart<Point extends { readonly at: string }>(props: TimeChartProps<Point>) {
  const { title, from, to, step, series, before, onZoom, aside } = props
  const id = useId()
  const rows = rowsOf(props)
  const lines = series.map(({ key, label, unit, color }, i) => ({
    key,
    label,
    unit,
    color: color ?? COLORS[i % COLORS.length] ?? COLORS[0],
  }))
  const isEmpty = rows.every(isGap)
  return (
    <Card withBorder component="section" aria-labelledby={id}>
      <Group justify="space-between" gap="xs" mb="xs">
        <Title order={2} size="h5" id={id}>
          {title}
        </Title>
        <Group gap="xs">
          {aside}
          {onZoom !== undefined && <ZoomButtons title={title} from={from} to={to} step={step} onZoom={onZoom} />}
        </Group>
      </Group>
      {isEmpty ? (
        <Box h={HEIGHT_PX}>
          <Text c="dimmed">Nothing was measured in this range.</Text>
        </Box>
      ) : (
        <>
          <Suspense fallback={<Skeleton height={HEIGHT_PX + 32} data-later="" />}>
            <Drawing
              title={title}
              rows={rows}
              lines={lines}
              step={step}
              heightPx={HEIGHT_PX}
              hasBefore={before !== undefined}
              onZoom={onZoom}
            />
          </Suspense>
          <Numbers title={title} rows={rows} series={lines} hasBefore={before !== undefined} />
        </>
      )}
    </Card>
  )
}

/** The same zoom for who does not drag. */
function ZoomButtons({
  title,
  from,
  to,
  step,
  onZoom,
}: {
  title: string
  from: string
  to: string
  step: Step
  onZoom: (from: string, to: string) => void
}) {
  const start = Date.parse(from)
  const end = Date.parse(to)
  const length = end - start
  const go = (nextStart: number, nextEnd: number) => {
    const cut = (time: number) => Math.round(time / STEP_MS[step]) * STEP_MS[step]
    onZoom(new Date(cut(nextStart)).toISOString(), new Date(cut(nextEnd)).toISOString())
  }
  const buttons = [
    { label: 'Earlier', Icon: IconArrowLeft, run: () => go(start - length / 2, end - length / 2) },
    { label: 'Later', Icon: IconArrowRight, run: () => go(start + length / 2, end + length / 2) },
    {
      label: 'Zoom in',
      Icon: IconZoomIn,
      run: () => go(start + length / 4, end - length / 4),
      isOff: length / 2 < STEPS_MIN * STEP_MS[step],
    },
    { label: 'Zoom out', Icon: IconZoomOut, run: () => go(start - length / 2, end + length / 2) },
  ]
  return (
    <Group gap={4} role="group" aria-label={`Range of ${title}`}>
      {buttons.map(({ label, Icon, run, isOff = false }) => (
        <ActionIcon key={label} variant="default" aria-label={label} title={label} onClick={run} disabled={isOff}>
          <Icon size={16} aria-hidden />
        </ActionIcon>
      ))}
    </Group>
  )
}

function Numbers({
  title,
  rows,
  series,
  hasBefore,
}: {
  title: string
  rows: readonly Row[]
  series: readonly Pick<Series<never>, 'key' | 'label' | 'unit'>[]
  hasBefore: boolean
}) {
  const [isOpen, setIsOpen] = useState(false)
  const columns: Column<Row>[] = [
    { title: 'Time', cell: ({ at }) => <When at={new Date(at).toISOString()} /> },
    ...series.flatMap(({ key, label, unit }) => [
      { title: label, isNumber: true, cell: ({ now }: Row) => quantity(now[key] ?? null, unit) },
      ...(hasBefore
        ? [
            {
              title: `${label}, before`,
              isNumber: true,
              cell: ({ before }: Row) => quantity(before[key] ?? null, unit),
            },
          ]
        : []),
    ]),
  ]
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>
        <Text span size="sm" c="dimmed">
          These numbers as a table
        </Text>
      </summary>
      {isOpen && (
        <Box mah={320} style={{ overflowY: 'auto' }}>
          <Records
            caption={title}
            columns={columns}
            rows={rows.filter((row) => !isGap(row))}
            keyOf={({ at }) => String(at)}
          />
        </Box>
      )}
    </details>
  )
}

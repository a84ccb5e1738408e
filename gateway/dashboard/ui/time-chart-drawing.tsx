// Draws a chart over time (SVG). Fetched by time-chart.tsx when it is needed, together with its styles.
import '@mantine/charts/styles.css'
import { LineChart } from '@mantine/charts'
import { Box, Group, Paper, Text, useMantineTheme, getThemeColor } from '@mantine/core'
import { useState } from 'react'
import type { Step } from '../../../protocol/metering.ts'
import { quantity, tick, type Unit } from './quantity.ts'
import { STEP_MS, type Row } from './time-chart-rows.ts'

export interface Line {
  readonly key: string
  readonly label: string
  readonly unit: Unit
  readonly color: string
}

interface Drawn {
  readonly title: string
  readonly rows: readonly Row[]
  readonly lines: readonly Line[]
  readonly step: Step
  readonly heightPx: number
  readonly hasBefore: boolean
  readonly onZoom?: ((from: string, to: string) => void) | undefined
}

const HOUR = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })
/** days are days of UTC */
const DAY = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', timeZone: 'UTC' })
const timeOf = (at: number, step: Step): string => (step === 'hour' ? HOUR : DAY).format(at)
const beforeKey = (key: string): string => `${key}\0before`
const DASHES = '5 4'
/** room for an axis's numbers; amounts go down to the nano */
const axisPx = (unit: Unit): number => (unit === '$' ? 96 : 68)

/** What is counted has no tick between two whole numbers. */
const axisOf = (unit: Unit = '') => ({
  width: axisPx(unit),
  allowDecimals: ['$', '%', 'ms', 's'].includes(unit),
  tickFormatter: (value: number) => tick(value, unit),
})

export function TimeChartDrawing({ title, rows, lines, step, heightPx, hasBefore, onZoom }: Drawn) {
  const theme = useMantineTheme()
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number } | null>(null)
  const [left, right] = [...new Set(lines.map(({ unit }) => unit))]
  const data = rows.map((row) => flat(row, lines))
  const series = [...(hasBefore ? lines.map((line) => ({ ...line, isBefore: true })) : []), ...lines].map((line) => {
    const isBefore = 'isBefore' in line
    return {
      name: isBefore ? beforeKey(line.key) : line.key,
      label: line.label,
      color: line.color,
      ...(isBefore ? { strokeDasharray: DASHES } : {}),
      ...(line.unit === right ? { yAxisId: 'right' } : {}),
    }
  })
  const endDrag = () => {
    if (drag !== null && onZoom && drag.from !== drag.to) {
      const [first, last] = drag.from < drag.to ? [drag.from, drag.to] : [drag.to, drag.from]
      onZoom(new Date(first).toISOString(), new Date(last + STEP_MS[step]).toISOString())
    }
    setDrag(null)
  }
  return (
    <>
      <Legend lines={lines} hasBefore={hasBefore} />
      <LineChart
        style={{ userSelect: 'none' }}
        role="group"
        aria-label={`Chart: ${title}`}
        h={heightPx}
        data={data}
        dataKey="at"
        series={series}
        connectNulls={false}
        curveType="linear"
        withDots
        lineProps={({ name, color }) => ({ dot: loneDot(data, String(name), getThemeColor(color, theme)) })}
        activeDotProps={{ r: 4 }}
        withRightYAxis={right !== undefined}
        yAxisProps={axisOf(left)}
        rightYAxisProps={axisOf(right)}
        xAxisProps={{ tickFormatter: (at: number) => timeOf(at, step), minTickGap: 32 }}
        referenceAreas={drag === null ? [] : [{ x1: drag.from, x2: drag.to, color: 'blue.6' }]}
        tooltipProps={{
          content: ({ active, label }) => {
            const row = active ? rows.find(({ at }) => at === Number(label)) : undefined
            return row === undefined ? null : <Tip row={row} lines={lines} step={step} hasBefore={hasBefore} />
          },
        }}
        lineChartProps={{
          desc: 'The arrow keys move along this chart; the same numbers stand below as a table.',
          ...(onZoom && {
            onMouseDown: ({ activeLabel }) => {
              const at = Number(activeLabel)
              if (activeLabel !== undefined) setDrag({ from: at, to: at })
            },
            onMouseMove: ({ activeLabel }) => {
              const at = Number(activeLabel)
              if (drag !== null && activeLabel !== undefined && at !== drag.to) setDrag({ from: drag.from, to: at })
            },
            onMouseUp: endDrag,
            onMouseLeave: () => setDrag(null),
          }),
        }}
      />
    </>
  )
}

/** Decimal dollars become numbers here, for drawing only. */
function flat(row: Row, lines: readonly Line[]): Record<string, number | null> {
  const drawn: Record<string, number | null> = { at: row.at }
  for (const { key } of lines) {
    drawn[key] = numberOf(row.now[key])
    drawn[beforeKey(key)] = numberOf(row.before[key])
  }
  return drawn
}

const numberOf = (value: number | string | null | undefined): number | null =>
  value === null || value === undefined ? null : Number(value)

interface Dot {
  readonly cx?: number
  readonly cy?: number
  readonly index?: number
}

/** to be seen at a glance, where it is all there is */
const LONE_DOT_PX = 4

/** A point between two gaps has no line: it is drawn as a dot. */
const loneDot = (data: readonly Record<string, number | null>[], key: string, color: string) =>
  function LoneDot({ cx, cy, index = 0 }: Dot) {
    const has = (i: number) => (data[i]?.[key] ?? null) !== null
    const isLone = has(index) && !has(index - 1) && !has(index + 1)
    return <circle key={index} cx={cx} cy={cy} r={isLone && cy !== undefined ? LONE_DOT_PX : 0} fill={color} />
  }

function Legend({ lines, hasBefore }: { lines: readonly Line[]; hasBefore: boolean }) {
  return (
    <Group gap="md" mb="xs" aria-hidden>
      {lines.map(({ key, label, color }) => (
        <Sample key={key} color={color} label={label} />
      ))}
      {hasBefore && <Sample color={lines[0]?.color ?? 'gray.6'} label="the period before" dashes={DASHES} />}
    </Group>
  )
}

function Sample({ color, label, dashes }: { color: string; label: string; dashes?: string }) {
  const theme = useMantineTheme()
  return (
    <Group gap={6} wrap="nowrap">
      <svg width={22} height={8} aria-hidden>
        <line
          x1={0}
          x2={22}
          y1={4}
          y2={4}
          stroke={getThemeColor(color, theme)}
          strokeWidth={2}
          strokeDasharray={dashes}
        />
      </svg>
      <Text size="sm">{label}</Text>
    </Group>
  )
}

function Tip({ row, lines, step, hasBefore }: { row: Row; lines: readonly Line[]; step: Step; hasBefore: boolean }) {
  return (
    <Paper withBorder shadow="md" p="xs" maw={280}>
      <Text size="sm" fw={600}>
        {timeOf(row.at, step)}
        {step === 'day' && ' UTC'}
      </Text>
      {lines.map(({ key, label, unit, color }) => (
        <Box key={key}>
          <Sample color={color} label={`${label}: ${quantity(row.now[key] ?? null, unit)}`} />
          {hasBefore && (
            <Sample color={color} label={`before: ${quantity(row.before[key] ?? null, unit)}`} dashes={DASHES} />
          )}
        </Box>
      ))}
    </Paper>
  )
}

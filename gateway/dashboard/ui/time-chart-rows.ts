// What a chart over time draws, worked out of what the gateway sent: one row for every hour or day of the range, also for those without calls (which the
// gateway leaves out and the chart shows as a gap), and beside it the same hour of the period before.
import type { Step } from '../../../protocol/metering.ts'
import type { Unit } from './quantity.ts'

/** one line of a chart */
export interface Series<Point> {
  readonly key: string
  readonly label: string
  readonly unit: Unit
  /** the value at a point; money stays the decimal string that the gateway sent */
  readonly of: (point: Point) => number | string | null
  /** a colour of the theme, such as `blue.6`; given in turn when absent */
  readonly color?: string
}

export interface Row {
  /** ms since 1970: the start of its hour or day */
  readonly at: number
  readonly now: Readonly<Record<string, number | string | null>>
  readonly before: Readonly<Record<string, number | string | null>>
}

export const STEP_MS: Readonly<Record<Step, number>> = { hour: 3_600_000, day: 86_400_000 }
/** more would be no chart any more, and no reply holds more */
const ROWS_MAX = 1_000

interface Asked<Point> {
  readonly from: string
  /** exclusive */
  readonly to: string
  readonly step: Step
  readonly points: readonly Point[]
  readonly before?: readonly Point[]
  readonly series: readonly Series<Point>[]
}

export function rowsOf<Point extends { readonly at: string }>({
  from,
  to,
  step,
  points,
  before = [],
  series,
}: Asked<Point>): Row[] {
  const stepMs = STEP_MS[step]
  const start = Math.floor(Date.parse(from) / stepMs) * stepMs
  const end = Date.parse(to)
  const lengthMs = Math.ceil((end - start) / stepMs) * stepMs
  const now = byTime(points)
  const then = byTime(before)
  const rows: Row[] = []
  for (let at = start; at < end && rows.length < ROWS_MAX; at += stepMs)
    rows.push({ at, now: valuesOf(now.get(at), series), before: valuesOf(then.get(at - lengthMs), series) })
  return rows
}

/** @returns true when nothing was measured at this row, neither now nor before */
export const isGap = (row: Row): boolean =>
  Object.values(row.now).every((value) => value === null) && Object.values(row.before).every((value) => value === null)

const byTime = <Point extends { readonly at: string }>(points: readonly Point[]): ReadonlyMap<number, Point> =>
  new Map(points.map((point) => [Date.parse(point.at), point]))

const valuesOf = <Point>(point: Point | undefined, series: readonly Series<Point>[]): Row['now'] =>
  Object.fromEntries(series.map(({ key, of }) => [key, point === undefined ? null : of(point)]))

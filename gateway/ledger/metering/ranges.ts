// Which time is asked for, in whole steps, and of which sums it consists (rule). Whatever lies inside whole months and days is read of months and days,
// so that who is largest in a year costs a few dozen rows for each, and not nine thousand hours.
import type { RangeQuery, Step } from '../../../protocol/metering.ts'
import type { SumStep } from './cuts.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
const MS: Readonly<Record<Step, number>> = { hour: HOUR_MS, day: DAY_MS }
/** ms of the longest range: about 750 points of hours, 400 of days */
const LONGEST: Readonly<Record<Step, number>> = { hour: 31 * DAY_MS, day: 400 * DAY_MS }

/** ms; `from` included, `to` left out */
export interface Range {
  readonly step: Step
  readonly from: number
  readonly to: number
}

export type Ranged =
  | { readonly ok: true; readonly range: Range }
  | { readonly ok: false; readonly param: 'from' | 'to'; readonly detail: string }

/** From the start of the step in which `from` lies to the end of the one in which `to` lies: the hour that runs is in it. */
export function wholeRange({ from, to, step }: RangeQuery): Ranged {
  const [first, last] = [Date.parse(from), Date.parse(to)]
  if (last <= first) return { ok: false, param: 'to', detail: 'to: a time after from' }
  if (last - first > LONGEST[step])
    return {
      ok: false,
      param: 'from',
      detail: `from: at most ${LONGEST[step] / DAY_MS} days before to, by the ${step}`,
    }
  if (first < 0) return { ok: false, param: 'from', detail: 'from: a time after 1970' }
  const ms = MS[step]
  return { ok: true, range: { step, from: Math.floor(first / ms) * ms, to: Math.ceil(last / ms) * ms } }
}

/** As long as the range, and right before it. */
export const rangeBefore = ({ step, from, to }: Range): Range => ({ step, from: from - (to - from), to: from })

export interface Span {
  readonly step: SumStep
  readonly from: number
  readonly to: number
}

/**
 * The range put together of the fewest sums; without empty ones, in order.
 * @example spansOf({ from: 22:00 on the 30th, to: 02:00 on the 2nd }) // hours 22–24, a day, hours 0–2
 */
export function spansOf({ from, to }: Pick<Range, 'from' | 'to'>, hasMonths = true): Span[] {
  const [firstDay, lastDay] = [Math.ceil(from / DAY_MS) * DAY_MS, Math.floor(to / DAY_MS) * DAY_MS]
  if (firstDay >= lastDay) return spans(['hour', from, to])
  const [firstMonth, lastMonth] = [monthFrom(firstDay), monthOf(lastDay)]
  const days: readonly Piece[] =
    hasMonths && firstMonth < lastMonth
      ? [
          ['day', firstDay, firstMonth],
          ['month', firstMonth, lastMonth],
          ['day', lastMonth, lastDay],
        ]
      : [['day', firstDay, lastDay]]
  return spans(['hour', from, firstDay], ...days, ['hour', lastDay, to])
}

type Piece = readonly [step: SumStep, from: number, to: number]
const spans = (...pieces: readonly Piece[]): Span[] =>
  pieces.flatMap(([step, from, to]) => (from < to ? [{ step, from, to }] : []))

/** Start of the month in which it lies, UTC. */
export function monthOf(at: number): number {
  const date = new Date(at)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
}
/** Start of the first month that begins there or later. */
function monthFrom(at: number): number {
  return monthOf(at) === at ? at : nextMonth(at)
}
export function nextMonth(at: number): number {
  const date = new Date(at)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
}

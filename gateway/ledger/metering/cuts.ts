// How the book is summed beforehand (rule): by which ids, and over which spans of time. A sum by all ids at once would be as long as the list of calls;
// so each call is added to a handful of sums, and a question is answered from the one that has as few rows as its answer. What is kept is written
// here once, and the SQL of append and of recount is made of it.
import type { Step } from '../../../protocol/metering.ts'

/** Ids that a sum is kept by: bits of `cut`. */
export const CUT = { none: 0, model: 1, node: 2, offer: 3, key: 4 } as const
export type Dimension = 'model' | 'node' | 'key'

export type SumStep = Step | 'month'

type Kept = readonly (readonly [step: SumStep, cut: number])[]

/** Of everybody together. Months only to find out who is largest. */
export const TOTALS: Kept = [
  ...(['hour', 'day'] as const).flatMap((step) =>
    [CUT.none, CUT.model, CUT.node, CUT.offer].map((cut) => [step, cut] as const),
  ),
  ['month', CUT.model],
  ['month', CUT.node],
]

/**
 * Of one account: few, since most accounts have few calls, and a sum for each of them would be a second list of calls. Hours by an id, and two ids at
 * once, are summed of the account's own hourly sums.
 */
export const ACCOUNT_TOTALS: Kept = [
  ['hour', CUT.none],
  ['day', CUT.none],
  ['day', CUT.model],
  ['day', CUT.node],
  ['day', CUT.key],
  ['month', CUT.none],
]

/** Of durations. */
export const LATENCIES: Kept = TOTALS.filter(([step]) => step !== 'month')

/** @example cutOf(['model', 'node']) // 3 */
export const cutOf = (dimensions: readonly Dimension[]): number =>
  dimensions.reduce((cut, dimension) => cut | CUT[dimension], 0)

/** `WITH` this, one row for each sum that an hour belongs to. @example cutsSql([['hour', 0]]) // "cuts(step, cut) AS (VALUES ('hour', 0))" */
export const cutsSql = (kept: Kept): string =>
  `cuts(step, cut) AS (VALUES ${kept.map(([step, cut]) => `('${step}', ${cut})`).join(', ')})`

/** Where the sum of `step` begins that the hour belongs to. UTC has no leap seconds here, so hours and days are plain remainders. */
export const atSql = (step: string, hour: string): string => `CASE ${step} WHEN 'hour' THEN ${hour} - ${hour} % 3600000
    WHEN 'day' THEN ${hour} - ${hour} % 86400000
    ELSE CAST(strftime('%s', ${hour} / 1000, 'unixepoch', 'start of month') AS INTEGER) * 1000 END`

/** The id if the cut keeps it. */
export const keptSql = (cut: string, dimension: Dimension, column: string): string =>
  `CASE WHEN ${cut} & ${CUT[dimension]} THEN ${column} ELSE '' END`

// Sums as they are added up and as they are told (rule). Several books know each a part of the calls, so what they say of one hour, or of one model,
// is added up here; dollars stay whole nanos until they are written down.
import type { Measures } from '../../../protocol/metering.ts'
import { nanos, toUsd } from '../../../protocol/units.ts'

export interface Sums {
  readonly calls: number
  readonly errors: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly tensorBytes: number
  readonly chargeNanos: bigint
  readonly operatorNanos: bigint
  readonly authorNanos: bigint
  readonly houseNanos: bigint
}

/** A row as {@link SUMMED} and {@link KEPT} select it: amounts as text, since D1 rounds above 2^53. */
export type SumsRow = Readonly<
  Record<'calls' | 'errors' | 'inputTokens' | 'outputTokens' | 'tensorBytes', number> &
    Record<'charge' | 'operator' | 'author' | 'house', string>
>

const COLUMNS = { input_tokens: 'inputTokens', output_tokens: 'outputTokens', tensor_bytes: 'tensorBytes' } as const
const AMOUNTS = ['charge', 'operator', 'author', 'house'] as const

const selected = (sum: (column: string) => string): string =>
  [
    `${sum('calls')} AS calls`,
    `${sum('errors')} AS errors`,
    ...Object.entries(COLUMNS).map(([column, name]) => `${sum(column)} AS ${name}`),
    ...AMOUNTS.map((role) => `CAST(${sum(`${role}_nanos`)} AS TEXT) AS ${role}`),
  ].join(', ')

/** What a query selects of one row, and of many. */
export const KEPT = selected((column) => column)
export const SUMMED = selected((column) => `sum(${column})`)

export const sumsOf = (row: SumsRow): Sums => ({
  calls: row.calls,
  errors: row.errors,
  inputTokens: row.inputTokens,
  outputTokens: row.outputTokens,
  tensorBytes: row.tensorBytes,
  chargeNanos: BigInt(row.charge),
  operatorNanos: BigInt(row.operator),
  authorNanos: BigInt(row.author),
  houseNanos: BigInt(row.house),
})

export const NOTHING: Sums = {
  ...{ calls: 0, errors: 0, inputTokens: 0, outputTokens: 0, tensorBytes: 0 },
  ...{ chargeNanos: 0n, operatorNanos: 0n, authorNanos: 0n, houseNanos: 0n },
}

export const plus = (a: Sums, b: Sums): Sums => ({
  calls: a.calls + b.calls,
  errors: a.errors + b.errors,
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  tensorBytes: a.tensorBytes + b.tensorBytes,
  chargeNanos: a.chargeNanos + b.chargeNanos,
  operatorNanos: a.operatorNanos + b.operatorNanos,
  authorNanos: a.authorNanos + b.authorNanos,
  houseNanos: a.houseNanos + b.houseNanos,
})

export const totalOf = (all: Iterable<Sums>): Sums => [...all].reduce(plus, NOTHING)

/** What several books say, by what they say it of: an hour, an id. */
export function merged<Key, Row extends Sums>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Sums> {
  const found = new Map<Key, Sums>()
  for (const row of rows) found.set(keyOf(row), plus(found.get(keyOf(row)) ?? NOTHING, row))
  return found
}

/** By the hour or day, the first first. */
export const byTime = (sums: ReadonlyMap<number, Sums>): [number, Sums][] => [...sums].sort(([a], [b]) => a - b)

/** By charge, the largest first; by calls and id where nothing was charged. At most `rows`. */
export function byCharge(sums: ReadonlyMap<string, Sums>, rows: number): [string, Sums][] {
  return [...sums]
    .sort(([a, x], [b, y]) =>
      x.chargeNanos === y.chargeNanos ? y.calls - x.calls || (a < b ? -1 : 1) : x.chargeNanos < y.chargeNanos ? 1 : -1,
    )
    .slice(0, rows)
}

export const measures = ({ calls, errors, inputTokens, outputTokens, tensorBytes, chargeNanos }: Sums): Measures => ({
  ...{ calls, errors, inputTokens, outputTokens, tensorBytes },
  charge: usd(chargeNanos),
})

export const shares = ({ operatorNanos, authorNanos, houseNanos }: Sums) => ({
  operators: usd(operatorNanos),
  authors: usd(authorNanos),
  house: usd(houseNanos),
})

export const usd = (amount: bigint): string => toUsd(nanos(amount))
export const iso = (at: number): string => new Date(at).toISOString()

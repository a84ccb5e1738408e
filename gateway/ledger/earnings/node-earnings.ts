// Pages of what a node earned, put together from several books: a rule. Payers are spread over the books, so each is read from the same place on and a
// page is merged of them. A book is read only so far in one go; nothing older than where the shortest reading ended is shown, so that a page may be
// short, or even empty, and still nothing is left out: the list ends where `nextCursor` is null.
import type { EarningsPage, EarningView } from '../../../protocol/operator.ts'
import { toUsd, type Instant, type Nanos } from '../../../protocol/units.ts'

/** Of one paid call: when its line was written, and its id. Newest first, and by id where times are equal. */
export interface Place {
  readonly at: Instant
  readonly id: string
}

export interface Earning extends Place, Omit<EarningView, 'callId' | 'charged' | 'earned' | 'at'> {
  readonly chargedNanos: Nanos
  readonly earnedNanos: Nanos
}

/** What one book said: newest first, and where it stopped reading; null: it has no more. */
export interface Reading {
  readonly earnings: readonly Earning[]
  readonly readTo: Place | null
}

/** Below zero: `a` comes first. @example byPlace({ at: 2, id: 'a' }, { at: 1, id: 'b' }) // -1 */
export function byPlace(a: Place, b: Place): number {
  return b.at - a.at || (a.id === b.id ? 0 : a.id > b.id ? -1 : 1)
}

export function earningsPage(readings: readonly Reading[], rows: number): EarningsPage {
  const [end = null] = readings.flatMap(({ readTo }) => readTo ?? []).sort(byPlace)
  const known = readings
    .flatMap(({ earnings }) => earnings)
    .filter((earning) => end === null || byPlace(earning, end) <= 0)
    .sort(byPlace)
  const shown = known.slice(0, rows)
  const next = known.length > rows ? (shown.at(-1) ?? null) : end
  return { data: shown.map(view), nextCursor: next && `${next.at}.${next.id}` }
}

/** Null: this cursor was given by nobody. */
export function placeOfCursor(cursor: string): { readonly at: number; readonly id: string } | null {
  const [, at, id] = /^(\d{1,15})\.([\w:.-]{1,100})$/.exec(cursor) ?? []
  return at === undefined || id === undefined ? null : { at: Number(at), id }
}

const view = ({ id, at, chargedNanos, earnedNanos, ...rest }: Earning): EarningView => ({
  callId: id,
  ...rest,
  charged: toUsd(chargedNanos),
  earned: toUsd(earnedNanos),
  at: new Date(at).toISOString(),
})

// What the house's pages show, as it stands in their addresses.
import { rangeSearch, type RangeSearch } from '../ui/range.ts'

export interface ListSearch {
  readonly q?: string
  readonly state?: string
}

const text = (value: unknown): string | undefined =>
  (typeof value === 'string' || typeof value === 'number') && value !== '' ? String(value).slice(0, 160) : undefined

export function listSearch(search: Record<string, unknown>): ListSearch {
  const q = text(search.q)
  const state = text(search.state)
  return { ...(q !== undefined && { q }), ...(state !== undefined && { state }) }
}

/** One of these words, or undefined: what stands in an address may be anything. */
export const oneOf = <const Word extends string>(words: readonly Word[], value: string | undefined): Word | undefined =>
  words.find((word) => word === value)

export interface MeteringSearch extends RangeSearch {
  readonly model?: string
  readonly node?: string
}

export function meteringSearch(search: Record<string, unknown>): MeteringSearch {
  const model = text(search.model)
  const node = text(search.node)
  return { ...rangeSearch(search), ...(model !== undefined && { model }), ...(node !== undefined && { node }) }
}

/** `batch`: the pay-out file that is looked at */
export interface MoneySearch {
  readonly tab?: 'give'
  readonly state?: string
  readonly batch?: string
}

export function moneySearch(search: Record<string, unknown>): MoneySearch {
  const batch = text(search.batch)
  const state = text(search.state)
  return {
    ...(search.tab === 'give' && { tab: 'give' }),
    ...(state !== undefined && { state }),
    ...(batch !== undefined && { batch }),
  }
}

/** of protocol/node.ts, and `silent` of NodeCounts (protocol/metering.ts) */
export const NODE_STATES = ['pending', 'probation', 'active', 'silent', 'draining', 'suspended', 'revoked'] as const

// The filters of the list of calls, as an address names them: what is none is left out. Read before any page is fetched, so it needs no schema's code.
import type { UsageFilter } from '../../../protocol/ledger.ts'

const OUTCOMES = ['complete', 'cancelled', 'failed', 'expired'] as const
const ID_CHARACTERS = 160

export function callFilter(search: Record<string, unknown>): UsageFilter {
  const key = idOf(search['key'])
  const model = idOf(search['model'])
  const outcome = OUTCOMES.find((known) => known === search['outcome'])
  return {
    ...(key === undefined ? {} : { key }),
    ...(model === undefined ? {} : { model }),
    ...(outcome === undefined ? {} : { outcome }),
  }
}

const idOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= ID_CHARACTERS ? value : undefined

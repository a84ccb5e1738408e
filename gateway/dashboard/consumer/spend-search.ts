// What the overview's address says: the range of time, and what its spend is split by.
import { rangeSearch, type RangeSearch } from '../ui/range.ts'

export const SPLITS = ['model', 'key', 'node'] as const
export type Split = (typeof SPLITS)[number]
export interface SpendSearch extends RangeSearch {
  /** absent: by model */
  readonly by?: Split
}

export function spendSearch(search: Record<string, unknown>): SpendSearch {
  const by = SPLITS.find((split) => split === search['by'])
  return { ...rangeSearch(search), ...(by === undefined ? {} : { by }) }
}

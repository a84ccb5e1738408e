// What the pages ask about spend. It is read of sums, and looked at again now and then while somebody looks.
import { queryOptions } from '@tanstack/react-query'
import type { SpendReply } from '../../../protocol/metering.ts'
import { api, read } from '../data/api.ts'
import type { Range } from '../ui/range.ts'
import type { Split } from './spend-search.ts'

/** ms; sums of hours change slowly */
const SUMS_REFRESH_MS = 30_000

export const spendQuery = (range: Range, by: Split = 'model', key?: string) =>
  queryOptions({
    queryKey: ['spend', range, by, key ?? null],
    queryFn: (): Promise<SpendReply> =>
      read(api.api.spend.$get({ query: { ...range, by, ...(key === undefined ? {} : { key }) } })),
    refetchInterval: SUMS_REFRESH_MS,
    placeholderData: (before: SpendReply | undefined) => before,
  })

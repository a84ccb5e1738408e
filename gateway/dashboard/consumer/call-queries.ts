// What the lists of calls ask, in one place, so that two pages that ask the same share the answer.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import type { UsageFilter } from '../../../protocol/ledger.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import type { CallPage } from './calls-live.ts'

export type CallFilter = UsageFilter

/** An address names at most these three. */
const asQuery = ({ key, model, outcome }: CallFilter) => ({
  ...(key === undefined ? {} : { key }),
  ...(model === undefined ? {} : { model }),
  ...(outcome === undefined ? {} : { outcome }),
})

export const readCalls = (filter: CallFilter, cursor: string | null, limit: number): Promise<CallPage> =>
  read(
    api.api.usage.$get({ query: { ...asQuery(filter), limit: String(limit), ...(cursor === null ? {} : { cursor }) } }),
  )

/** Read once and kept as it was read: what is new is put in front of it (calls-live.ts). */
export const callsQuery = (filter: CallFilter, rows: number) =>
  infiniteQueryOptions({
    queryKey: ['calls', 'list', asQuery(filter), rows],
    queryFn: ({ pageParam }) => readCalls(filter, pageParam, rows),
    initialPageParam: null as string | null, // the first page has no cursor
    getNextPageParam: ({ nextCursor }) => nextCursor,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** What came lately: asked again and again while somebody looks. */
export const newestQuery = (filter: CallFilter, rows: number) =>
  queryOptions({
    queryKey: ['calls', 'newest', asQuery(filter), rows],
    queryFn: () => readCalls(filter, null, rows),
    refetchInterval: REFRESH_MS,
  })

export const modelsQuery = queryOptions({
  queryKey: ['models', 'served'],
  queryFn: async () => (await read(api.v1.models.$get())).data,
  staleTime: 60_000,
})

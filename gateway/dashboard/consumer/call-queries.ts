// What the pages of calls ask, in one place, so that two pages that ask the same share the answer.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { GenerationReply } from '../../../protocol/generation.ts'
import { Jwks } from '../../../protocol/journal-export.ts'
import { JournalPage, type UsageFilter } from '../../../protocol/ledger.ts'
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

export const callQuery = (id: string) =>
  queryOptions({
    queryKey: ['calls', 'one', id],
    queryFn: async () => GenerationReply.parse(await read(api.api.calls[':id'].$get({ param: { id } }))).data,
  })

export const linesQuery = (call: string) =>
  queryOptions({
    queryKey: ['journal', 'call', call],
    queryFn: async () => JournalPage.parse(await read(api.api.journal.$get({ query: { call } }))).data,
    // The book is written some moments after the answer.
    refetchInterval: ({ state }) => (state.data?.length === 0 ? 2_000 : false),
  })

export const jwksQuery = queryOptions({
  queryKey: ['jwks'],
  queryFn: async () => Jwks.parse(await read(api['.well-known']['jwks.json'].$get())),
  staleTime: 300_000,
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

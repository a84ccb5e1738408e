// What the operator's pages ask the gateway, each question in one place, so that pages share answers and a button knows which are out of date.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import type { Range } from '../ui/range.ts'

/** nodes on one page: each asks for its own status as well */
const ROWS = '20'
/** before any cursor */
const firstPage = (): string | null => null
const cursorOf = (cursor: string | null) => (cursor === null ? {} : { cursor })

export const summaryQuery = infiniteQueryOptions({
  queryKey: ['operator', 'summary'],
  queryFn: ({ pageParam }) => read(api.api.operator.summary.$get({ query: { ...cursorOf(pageParam), limit: ROWS } })),
  initialPageParam: firstPage(),
  getNextPageParam: ({ nextCursor }) => nextCursor,
  refetchInterval: REFRESH_MS,
})

/** Of all nodes together. */
export const earnedQuery = (range: Range) =>
  queryOptions({
    queryKey: ['operator', 'earned', range],
    queryFn: () => read(api.api.operator.earnings.$get({ query: { ...range } })),
  })

/** ms between two looks at a node in a list; its own page looks more often */
const LIST_REFRESH_MS = 20_000

/** @param isAlone on a page of its own */
export const statusQuery = (id: string, isAlone: boolean) =>
  queryOptions({
    queryKey: ['operator', 'node', id, 'status'],
    queryFn: () => read(api.api.nodes[':id'].status.$get({ param: { id } })),
    refetchInterval: isAlone ? REFRESH_MS : LIST_REFRESH_MS,
  })

export const historyQuery = (id: string, range: Range) =>
  queryOptions({
    queryKey: ['operator', 'node', id, 'history', range],
    queryFn: () => read(api.api.nodes[':id'].history.$get({ param: { id }, query: { ...range } })),
    refetchInterval: LIST_REFRESH_MS,
  })

export const auditsQuery = (id: string) =>
  queryOptions({
    queryKey: ['operator', 'node', id, 'audits'],
    queryFn: () => read(api.api.nodes[':id'].audits.$get({ param: { id } })),
  })

export const sanctionsQuery = (id: string) =>
  queryOptions({
    queryKey: ['operator', 'node', id, 'sanctions'],
    queryFn: () => read(api.api.nodes[':id'].sanctions.$get({ param: { id } })),
  })

export const nodeEarningsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['operator', 'node', id, 'earnings'],
    queryFn: ({ pageParam }) =>
      read(api.api.nodes[':id'].earnings.$get({ param: { id }, query: { ...cursorOf(pageParam), limit: '50' } })),
    initialPageParam: firstPage(),
    getNextPageParam: ({ nextCursor }) => nextCursor,
  })

export const withdrawalsQuery = infiniteQueryOptions({
  queryKey: ['operator', 'withdrawals'],
  queryFn: ({ pageParam }) => read(api.api.withdrawals.$get({ query: { ...cursorOf(pageParam), limit: '50' } })),
  initialPageParam: firstPage(),
  getNextPageParam: ({ nextCursor }) => nextCursor,
})

export const modelRulesQuery = queryOptions({
  queryKey: ['operator', 'models'],
  queryFn: () => read(api.api.operator.models.$get()),
})

/** `author/name` in the two parts that routes take */
export function modelParts(id: string): { author: string; name: string } {
  const [author = '', name = ''] = id.split('/')
  return { author, name }
}

export const modelQuery = (id: string) =>
  queryOptions({
    queryKey: ['model', id],
    queryFn: () => read(api.api.models[':author'][':name'].$get({ param: modelParts(id) })),
    staleTime: 60_000,
  })

export const endpointsQuery = (id: string) =>
  queryOptions({
    queryKey: ['model', id, 'endpoints'],
    queryFn: () => read(api.v1.models[':author'][':name'].endpoints.$get({ param: modelParts(id) })),
    refetchInterval: LIST_REFRESH_MS,
  })

export const pricesQuery = (id: string) =>
  queryOptions({
    queryKey: ['model', id, 'prices'],
    queryFn: () => read(api.api.models[':author'][':name'].prices.$get({ param: modelParts(id) })),
  })

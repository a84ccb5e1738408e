// What the author's pages ask the gateway.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { api, read } from '../data/api.ts'
import type { Range } from '../ui/range.ts'

const firstPage = (): string | null => null

/** Those of one account, by name. */
export const publicationsQuery = (author: string) =>
  infiniteQueryOptions({
    queryKey: ['author', author, 'models'],
    queryFn: ({ pageParam }) =>
      read(api.api.models.$get({ query: pageParam === null ? { author } : { author, cursor: pageParam } })),
    initialPageParam: firstPage(),
    getNextPageParam: ({ nextCursor }) => nextCursor,
  })

export const royaltiesQuery = (range: Range) =>
  queryOptions({
    queryKey: ['author', 'royalties', range],
    queryFn: () => read(api.api.author.royalties.$get({ query: { ...range } })),
  })

// What the author's pages ask the gateway.
import { infiniteQueryOptions } from '@tanstack/react-query'
import { api, read } from '../data/api.ts'

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

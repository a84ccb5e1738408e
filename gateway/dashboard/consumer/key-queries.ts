// What the pages of keys ask.
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { api, read } from '../data/api.ts'

const ROWS = 50

const readKeys = (cursor: string | null, limit: number) =>
  read(api.api.keys.$get({ query: { limit: String(limit), ...(cursor === null ? {} : { cursor }) } }))

export const keysQuery = infiniteQueryOptions({
  queryKey: ['keys', 'list'],
  queryFn: ({ pageParam }) => readKeys(pageParam, ROWS),
  initialPageParam: null as string | null, // the first page has no cursor
  getNextPageParam: ({ nextCursor }) => nextCursor,
})

/** The newest hundred, for names beside ids and for choosing one. */
export const keyNamesQuery = queryOptions({
  queryKey: ['keys', 'names'],
  queryFn: async () => (await readKeys(null, 100)).data.map(({ id, name }) => ({ id, name })),
})

export const keyQuery = (id: string) =>
  queryOptions({
    queryKey: ['keys', 'one', id],
    queryFn: () => read(api.api.keys[':id'].$get({ param: { id } })),
  })

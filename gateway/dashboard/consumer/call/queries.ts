// What the page of one call asks. Records are kept for long, in the forms of their time: they are read by schema.
import { queryOptions } from '@tanstack/react-query'
import { GenerationReply } from '../../../../protocol/generation.ts'
import { Jwks } from '../../../../protocol/journal-export.ts'
import { JournalPage } from '../../../../protocol/ledger.ts'
import { api, read } from '../../data/api.ts'

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

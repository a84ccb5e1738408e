// A list of the gateway's that comes page by page: asks for the next one with the cursor that the last one gave.
import { keepPreviousData, useInfiniteQuery, type QueryKey } from '@tanstack/react-query'

interface Page<Row> {
  readonly data: Row[]
  readonly nextCursor: string | null
}

interface Asked<Row> {
  readonly key: QueryKey
  readonly ask: (cursor: string | undefined) => Promise<Page<Row>>
  /** ms; absent: asked again only when the page is opened or something changed it */
  readonly refreshMs?: number
}

const FIRST: { readonly cursor: string | undefined } = { cursor: undefined }

export function usePages<Row>({ key, ask, refreshMs }: Asked<Row>) {
  return useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => ask(pageParam.cursor),
    initialPageParam: FIRST,
    getNextPageParam: ({ nextCursor }) => (nextCursor === null ? undefined : { cursor: nextCursor }),
    placeholderData: keepPreviousData,
    refetchInterval: refreshMs ?? false,
  })
}

// A list page by page: a table that scrolls sideways on a phone, and a button for what comes after (the gateway's cursor).
import { Button, Table } from '@mantine/core'
import type { UseInfiniteQueryResult, InfiniteData } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Failed, Loading } from './state.tsx'

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => ReactNode
  /** numbers stand right */
  readonly isNumber?: boolean
}

interface Page<Row> {
  readonly data: readonly Row[]
  readonly nextCursor: string | null
}

const NUMBER = { whiteSpace: 'nowrap' } as const
const TEXT = { overflowWrap: 'anywhere', minWidth: 120 } as const

/** @param caption what the table holds, for who cannot see it */
export function Records<Row>({
  caption,
  columns,
  rows,
  keyOf,
}: {
  caption: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
}) {
  return (
    <Table.ScrollContainer
      minWidth={Math.max(280, columns.length * 106)}
      // What is wider than its card says so by a bar that stands, not only by one that comes when somebody scrolls.
      scrollAreaProps={{ type: 'auto', viewportProps: { tabIndex: 0, 'aria-label': caption, role: 'region' } }}
    >
      <Table striped highlightOnHover verticalSpacing="xs">
        <caption style={{ position: 'absolute', clipPath: 'inset(50%)', height: 1, overflow: 'hidden' }}>
          {caption}
        </caption>
        <Table.Thead>
          <Table.Tr>
            {columns.map(({ title, isNumber }) => (
              <Table.Th key={title} scope="col" ta={isNumber === true ? 'right' : 'left'}>
                {title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={keyOf(row)}>
              {columns.map(({ title, cell, isNumber }) => (
                <Table.Td
                  key={title}
                  ta={isNumber === true ? 'right' : 'left'}
                  style={{ verticalAlign: 'baseline', ...(isNumber === true ? NUMBER : TEXT) }}
                >
                  {cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

/** The same over an infinite query. @param empty what stands there when there is nothing: what to do next */
export function PagedRecords<Row>({
  query,
  empty,
  isShown = () => true,
  ...table
}: {
  query: UseInfiniteQueryResult<InfiniteData<Page<Row>>>
  empty: ReactNode
  /** absent: every row is */
  isShown?: (row: Row) => boolean
  caption: string
  columns: readonly Column<Row>[]
  keyOf: (row: Row) => string
}) {
  if (query.data === undefined)
    return query.isError ? <Failed error={query.error} again={() => void query.refetch()} /> : <Loading />
  const rows = query.data.pages.flatMap(({ data }) => data)
  if (rows.length === 0) return <>{empty}</>
  return (
    <>
      <Records {...table} rows={rows.filter(isShown)} />
      {query.hasNextPage && (
        <Button variant="default" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Show more
        </Button>
      )}
    </>
  )
}

// Calls as they happen. New ones come on top at once while the top is looked at; further down they wait behind a button, so that nobody loses the place.
import { Affix, Anchor, Button, Card, Group, NativeSelect, Stack, Text } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect } from 'react'
import { Empty, Failed, Loading, Page } from '../ui/state.tsx'
import { callFilter } from './call-filter.ts'
import { callsQuery, modelsQuery, newestQuery, type CallFilter } from './call-queries.ts'
import { newCalls, withNew } from './calls-live.ts'
import { CallsTable } from './calls-table.tsx'
import { keyNamesQuery } from './key-queries.ts'
import { OUTCOMES } from './outcome.tsx'

const ROWS = 50
/** px from the top: further down, rows that come on top would push away what is read */
const TOP_PX = 150

export function CallsPage() {
  const search = useSearch({ from: '/calls' })
  return (
    <Page title="Calls" intro="Every call that ended, newest first. New ones appear by themselves.">
      <Filters search={search} />
      <LiveCalls key={JSON.stringify(search)} filter={search} />
    </Page>
  )
}

function LiveCalls({ filter }: { filter: CallFilter }) {
  const client = useQueryClient()
  const options = callsQuery(filter, ROWS)
  const list = useInfiniteQuery(options)
  const newest = useQuery({ ...newestQuery(filter, ROWS), enabled: list.data !== undefined })
  const pages = list.data?.pages
  const fresh = pages && newest.data ? newCalls(pages, newest.data) : []
  const isGap = fresh === 'gap'
  const count = isGap ? 0 : fresh.length

  const show = () => {
    if (isGap) void client.resetQueries({ queryKey: options.queryKey })
    else client.setQueryData(options.queryKey, (data) => data && { ...data, pages: withNew(data.pages, fresh) })
  }
  useEffect(() => {
    if ((isGap || count > 0) && window.scrollY < TOP_PX) show()
  })

  if (pages === undefined)
    return list.isError ? <Failed error={list.error} again={() => void list.refetch()} /> : <Loading rows={10} />
  const rows = pages.flatMap(({ data }) => data)
  if (rows.length === 0) return <NoCalls isFiltered={Object.values(filter).some((value) => value !== undefined)} />
  return (
    <Card withBorder>
      <Stack>
        <CallsTable rows={rows} />
        {list.hasNextPage && (
          <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show more
          </Button>
        )}
      </Stack>
      {(isGap || count > 0) && (
        <Affix position={{ top: 72, right: 16 }}>
          <Button
            onClick={() => {
              show()
              window.scrollTo({ top: 0 })
            }}
          >
            {isGap ? 'Many new calls: read the list again' : count === 1 ? '1 new call' : `${count} new calls`}
          </Button>
        </Affix>
      )}
    </Card>
  )
}

function NoCalls({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered)
    return (
      <Empty title="No call fits these filters">
        <Anchor component={Link} to="/calls">
          Show all calls
        </Anchor>
      </Empty>
    )
  return (
    <Empty title="No calls yet">
      <Text>Make an API key and send a first request; it appears here when it has ended.</Text>
      <Group>
        <Button component={Link} to="/keys">
          API keys
        </Button>
        <Button component={Link} to="/playground" variant="default">
          Playground
        </Button>
      </Group>
    </Empty>
  )
}

function Filters({ search }: { search: CallFilter }) {
  const navigate = useNavigate({ from: '/calls' })
  const models = useQuery(modelsQuery).data ?? []
  const keys = useQuery(keyNamesQuery).data ?? []
  const set = (field: keyof CallFilter, value: string) =>
    void navigate({ search: callFilter({ ...search, [field]: value }), replace: true, resetScroll: false })
  const fields = [
    { field: 'model', label: 'Model', all: 'all', known: models.map(({ id }) => ({ value: id, label: id })) },
    {
      field: 'key',
      label: 'API key',
      all: 'all',
      known: keys.map(({ id, name }) => ({ value: id, label: `${name} (${id})` })),
    },
    { field: 'outcome', label: 'Ended', all: 'in any way', known: OUTCOMES },
  ] as const
  return (
    <Group gap="xs" role="group" aria-label="Filters">
      {fields.map(({ field, label, all, known }) => (
        <NativeSelect
          key={field}
          label={label}
          maw={260}
          data={[{ value: '', label: all }, ...withChosen(known, search[field])]}
          value={search[field] ?? ''}
          onChange={(event) => set(field, event.currentTarget.value)}
        />
      ))}
    </Group>
  )
}

/** What an address names may be older than the lists. */
const withChosen = (known: readonly { value: string; label: string }[], chosen: string | undefined) =>
  chosen === undefined || known.some(({ value }) => value === chosen)
    ? known
    : [...known, { value: chosen, label: chosen }]

// What admins did: a chain that the gateway signs, newest first, checked in this browser with the gateway's published keys.
import { Alert, Button, Card, Code, Group, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { adminActs } from '../../../protocol/admin-acts.ts'
import type { AdminLogEntry } from '../../../protocol/parameters.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { usePages } from '../data/use-pages.ts'
import { save } from '../ui/download.ts'
import { PagedRecords } from '../ui/records.tsx'
import { shortAddress } from '../ui/short.ts'
import { Empty, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { outcomeWords } from './outcome-words.ts'

const WRONG = {
  gap: 'entries are missing before it',
  chain: 'it does not follow from the entry before it',
  hash: 'it is not what its hash says',
  signature: 'its signature is not the gateway’s',
} as const

export function LogPage() {
  const log = usePages({
    key: ['admin', 'log'],
    ask: (cursor) => read(api.api.admin.log.$get({ query: { ...(cursor !== undefined && { cursor }) } })),
  })
  const entries = log.data?.pages.flatMap(({ data }) => data) ?? []
  const acts = new Map(adminActs(entries).map((act) => [act.entry.seq, act]))
  const readAll = useAction({
    run: async () => {
      let hasMore = log.hasNextPage
      while (hasMore) hasMore = (await log.fetchNextPage({ throwOnError: true })).hasNextPage
    },
  })
  return (
    <Page
      title="Log"
      intro="Every act of an admin: entered before it is done, with its body, and again when it is known what came of it. Nothing is ever removed."
      actions={
        <Group gap="xs">
          {log.hasNextPage && (
            <Button variant="default" loading={readAll.isPending} onClick={() => readAll.mutate(undefined)}>
              Read and check all of it
            </Button>
          )}
          <Button
            variant="default"
            disabled={entries.length === 0}
            onClick={() =>
              save(new Blob([JSON.stringify(entries, null, 2)], { type: 'application/json' }), 'admin-log.json')
            }
          >
            Save what is shown as JSON
          </Button>
        </Group>
      }
    >
      {entries.length > 0 && <Verdict entries={entries} isWhole={!log.hasNextPage} />}
      <Card withBorder>
        <PagedRecords
          query={log}
          caption="What admins did"
          keyOf={({ seq }) => String(seq)}
          isShown={({ seq }) => acts.has(seq)}
          empty={
            <Empty title="Nothing was done yet">
              <Text c="dimmed">
                Grants, decisions, changes of parameters and everything else of the house stand here.
              </Text>
            </Empty>
          }
          columns={[
            { title: 'No.', isNumber: true, cell: ({ seq }) => seq },
            { title: 'When', cell: ({ at }) => <When at={at} /> },
            { title: 'By', cell: ({ by }) => <span title={by}>{shortAddress(by)}</span> },
            { title: 'What', cell: ({ action }) => action },
            { title: 'To', cell: ({ target }) => Object.values(target).join('/') || '–' },
            { title: 'Sent', cell: ({ body }) => (body === '' ? '–' : <Code>{body}</Code>) },
            {
              title: 'What came of it',
              cell: ({ seq }) => {
                const act = acts.get(seq)
                return act ? outcomeWords(act) : '–'
              },
            },
          ]}
        />
      </Card>
    </Page>
  )
}

/** @param entries newest first, as they are listed */
function Verdict({ entries, isWhole }: { entries: readonly AdminLogEntry[]; isWhole: boolean }) {
  const head = entries[0]
  const verdict = useQuery({
    queryKey: ['admin', 'log-verdict', head?.hash, entries.length, isWhole],
    queryFn: async () => {
      // What checks is large, and the list is read before the verdict is there.
      const [{ verifyAdminLog, ADMIN_LOG_START }, { keys }] = await Promise.all([
        import('../../../protocol/admin-log.ts'),
        read(api['.well-known']['jwks.json'].$get()),
      ])
      return verifyAdminLog([...entries].reverse(), isWhole ? ADMIN_LOG_START : null, keys)
    },
    staleTime: Infinity,
  })
  if (verdict.isError)
    return (
      <Alert color="orange" title="This could not be checked: the gateway’s keys were not readable" role="status" />
    )
  if (verdict.data === undefined) return <Alert color="gray" title="Checking the chain in this browser" role="status" />
  if (!verdict.data.ok)
    return (
      <Alert color="red" title={`Entry ${verdict.data.seq} is wrong`} role="alert">
        <Text size="sm">Checked in this browser: {WRONG[verdict.data.what]}.</Text>
      </Alert>
    )
  return (
    <Alert
      color="teal"
      title={`Verified: ${entries.length === 1 ? 'one entry' : `${entries.length} entries`}`}
      role="status"
    >
      <Text size="sm">
        Checked in this browser: every hash, the chain{isWhole ? ' from its very beginning' : ' of what is shown'} and
        every signature of the gateway are right.
      </Text>
      <Text size="sm">
        Newest: entry {head?.seq}, <Code style={{ overflowWrap: 'anywhere' }}>{head?.hash}</Code>. Who keeps it can see
        later that nothing after it was cut off.
      </Text>
    </Alert>
  )
}

// Every call a node was paid for, newest first, and all of it as a file.
import { Button, Card, Group, Stack, Text } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import type { EarningView } from '../../../protocol/operator.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Money } from '../ui/money.tsx'
import { PagedRecords, type Column } from '../ui/records.tsx'
import { Empty } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { saveCsv } from './csv.ts'
import { nodeEarningsQuery } from './node-queries.ts'
import { count } from './node-state.tsx'

/** Rows of one file: more are another file's, from the last one's time on. */
const FILE_ROWS_MAX = 10_000

export function NodeEarnings({ nodeId }: { nodeId: string }) {
  const query = useInfiniteQuery(nodeEarningsQuery(nodeId))
  const download = useAction({
    run: async () => {
      const rows = await allEarnings(nodeId)
      saveCsv(`earnings-${nodeId}.csv`, FIELDS, rows)
      return rows.length
    },
    say: (rows) =>
      rows >= FILE_ROWS_MAX
        ? `The newest ${count(FILE_ROWS_MAX)} calls are in the file; there are older ones.`
        : `${count(rows)} calls are in the file.`,
  })
  return (
    <Card withBorder>
      <Stack>
        <Group justify="space-between">
          <Text c="dimmed" size="sm">
            A call that was refunded later stands here as it was paid.
          </Text>
          <Button variant="default" loading={download.isPending} onClick={() => download.mutate(undefined)}>
            Download CSV
          </Button>
        </Group>
        <PagedRecords
          query={query}
          caption="Calls this node was paid for"
          columns={COLUMNS}
          keyOf={({ callId, attempt }) => `${callId}.${attempt}`}
          empty={
            <Empty title="No call was paid yet">
              <Text>
                Calls come when callers ask for a model of this node and it wins the draw. The first tab says what is in
                the way, if anything is.
              </Text>
            </Empty>
          }
        />
      </Stack>
    </Card>
  )
}

async function allEarnings(id: string): Promise<EarningView[]> {
  const rows: EarningView[] = []
  let cursor: string | null = null
  do {
    const page: { data: EarningView[]; nextCursor: string | null } = await read(
      api.api.nodes[':id'].earnings.$get({ param: { id }, query: cursor === null ? {} : { cursor } }),
    )
    rows.push(...page.data)
    cursor = page.nextCursor
  } while (cursor !== null && rows.length < FILE_ROWS_MAX)
  return rows
}

const FIELDS = [
  'at',
  'callId',
  'attempt',
  'model',
  'inputTokens',
  'outputTokens',
  'tensorBytes',
  'charged',
  'earned',
] as const

const COLUMNS: readonly Column<EarningView>[] = [
  { title: 'Time', cell: ({ at }) => <When at={at} /> },
  { title: 'Model', cell: ({ model }) => model },
  { title: 'Tokens in', isNumber: true, cell: ({ inputTokens }) => count(inputTokens) },
  { title: 'Tokens out', isNumber: true, cell: ({ outputTokens }) => count(outputTokens) },
  { title: 'Tensor bytes', isNumber: true, cell: ({ tensorBytes }) => count(tensorBytes) },
  { title: 'Caller paid', isNumber: true, cell: ({ charged }) => <Money amount={charged} dimmed /> },
  { title: 'You earned', isNumber: true, cell: ({ earned }) => <Money amount={earned} /> },
]

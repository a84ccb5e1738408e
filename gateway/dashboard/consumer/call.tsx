// One call: what it was and cost, who got what, the route explained, the proof checked here, its line in the journal, and a dispute.
import { Anchor, Card, Code, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import type { Generation } from '../../../protocol/generation.ts'
import { Money } from '../ui/money.tsx'
import { quantity } from '../ui/quantity.ts'
import { Records, type Column } from '../ui/records.tsx'
import { Loaded, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { DisputeCard } from './call/dispute-card.tsx'
import { Facts } from './call/facts.tsx'
import { ProofCard } from './call/proof-card.tsx'
import { callQuery, linesQuery } from './call/queries.ts'
import { RouteCard } from './call/route-card.tsx'
import { count, duration } from './call/route-words.ts'
import { keyNamesQuery } from './key-queries.ts'
import { KeyLink } from './links.tsx'
import { Outcome } from './outcome.tsx'

export function CallPage() {
  const { callId } = useParams({ from: '/calls/$callId' })
  const call = useQuery(callQuery(callId))
  return (
    <Page
      title="Call"
      intro={<Code>{callId}</Code>}
      actions={
        <Anchor component={Link} to="/calls">
          All calls
        </Anchor>
      }
    >
      <Loaded query={call}>
        {(data) => (
          <>
            <Summary call={data} />
            <Shares call={data} />
            <RouteCard call={data} />
            <ProofCard call={data} />
            <JournalCard call={data} />
            <DisputeCard call={data} />
          </>
        )}
      </Loaded>
    </Page>
  )
}

function Summary({ call }: { call: Generation }) {
  const { usage, startedAt, firstTokenAt, endedAt } = call
  const names = useQuery(keyNamesQuery).data
  const ms = (from: string, to: string) => duration(Date.parse(to) - Date.parse(from))
  const isTensors = usage.tensor_bytes !== undefined
  return (
    <Card withBorder>
      <Facts
        facts={[
          ['Ended', <Outcome outcome={call.outcome} errorCode={call.errorCode} />],
          ['Cost', <Money amount={usage.cost} />],
          ['Set aside before', <Money amount={call.hold} />],
          ['Model', call.model],
          ['Node', call.provider ?? 'none'],
          ['API key', <KeyLink keyId={call.keyId} name={names?.find(({ id }) => id === call.keyId)?.name} />],
          ...(isTensors
            ? [['Tensors in and out', quantity(usage.tensor_bytes ?? 0, 'bytes')] as const]
            : [
                ['Input', count(usage.prompt_tokens, 'token')] as const,
                ['Output', count(usage.completion_tokens, 'token')] as const,
              ]),
          ['Streamed', call.stream === null ? 'not kept' : call.stream ? 'yes' : 'no'],
          ['Began', <When at={startedAt} />],
          ['First output', firstTokenAt === null ? 'none' : `after ${ms(startedAt, firstTokenAt)}`],
          ['Whole time', ms(startedAt, endedAt)],
        ]}
      />
    </Card>
  )
}

type LegView = Generation['legs'][number]

const ROLES: Readonly<Record<LegView['role'], string>> = {
  payer: 'You paid',
  operator: 'Operator of the node',
  author: 'Author of the model',
  house: 'The house',
  receiver: 'Receiver',
}
const LEG_COLUMNS: readonly Column<LegView>[] = [
  {
    title: 'Who',
    cell: ({ role, vestsAt }) => (
      <>
        {ROLES[role]}
        {vestsAt !== undefined && (
          <Text size="xs" c="dimmed">
            from <When at={vestsAt} /> on
          </Text>
        )}
      </>
    ),
  },
  { title: 'Account', cell: ({ party, node }) => <Code>{node === undefined ? party : `${party} (${node})`}</Code> },
  { title: 'Amount', isNumber: true, cell: ({ amount }) => <Money amount={amount} /> },
]

function Shares({ call }: { call: Generation }) {
  return (
    <Card withBorder component="section" aria-labelledby="shares">
      <Title order={2} size="h4" id="shares" mb="xs">
        Who got what
      </Title>
      {call.legs.length === 0 ? (
        <Text size="sm">Nothing was charged for this call, and nobody was paid.</Text>
      ) : (
        <Records
          caption="Who paid and who received"
          columns={LEG_COLUMNS}
          rows={call.legs}
          keyOf={({ party, role, node, vestsAt }) => `${party} ${role} ${node ?? ''} ${vestsAt ?? ''}`}
        />
      )}
    </Card>
  )
}

function JournalCard({ call }: { call: Generation }) {
  const lines = useQuery(linesQuery(call.id))
  return (
    <Card withBorder component="section" aria-labelledby="journal">
      <Title order={2} size="h4" id="journal" mb="xs">
        In your journal
      </Title>
      <Loaded query={lines} rows={2}>
        {(data) =>
          data.length === 0 ? (
            <Text size="sm">Its line is written within moments. This page looks again by itself.</Text>
          ) : (
            <Stack gap="sm">
              {data.map(({ seq, hash, prevHash, body }) => (
                <Stack key={seq} gap={4}>
                  <Group gap="xs">
                    <Text size="sm" fw={600}>
                      Line {seq}
                    </Text>
                  </Group>
                  <Hash name="Hash (SHA-256)" hash={hash} />
                  <Hash name="Hash of the line before" hash={prevHash} />
                  <details>
                    <summary>
                      <Text span size="sm">
                        Its text
                      </Text>
                    </summary>
                    <Code block style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
                      {body}
                    </Code>
                  </details>
                </Stack>
              ))}
            </Stack>
          )
        }
      </Loaded>
    </Card>
  )
}

function Hash({ name, hash }: { name: string; hash: string }) {
  return (
    <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
      <Text span size="xs" c="dimmed">
        {name}
      </Text>{' '}
      <Code>{hash}</Code>
    </Text>
  )
}

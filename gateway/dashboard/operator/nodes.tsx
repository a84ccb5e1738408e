// All nodes of the operator on one page: what each does, what it earns, and why one gets no calls.
import { Card, Text } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { OperatorSummary } from '../../../protocol/operator.ts'
import { useAccount } from '../session/session.ts'
import { Money } from '../ui/money.tsx'
import { PagedRecords, type Column } from '../ui/records.tsx'
import { LinkButton, TextLink } from '../ui/links.tsx'
import { Empty, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Commands } from './commands.tsx'
import { Figures } from '../ui/figures.tsx'
import { statusQuery, summaryQuery } from './node-queries.ts'
import { count, Reached, StateBadge } from './node-state.tsx'

type Row = OperatorSummary['data'][number]

export function NodesPage() {
  const query = useInfiniteQuery(summaryQuery)
  const all = query.data?.pages[0]
  return (
    <Page
      title="Nodes"
      intro="Every machine that serves in your name, what it does now and what it brings in."
      actions={
        all !== undefined && all.nodes > 0 ? (
          <LinkButton to="/earnings" variant="default">
            Earnings
          </LinkButton>
        ) : null
      }
    >
      {all !== undefined && all.nodes > 0 && (
        <Figures
          figures={[
            { name: 'Nodes', value: count(all.nodes) },
            {
              name: 'Calls, 24 hours',
              value: count(all.traffic.day.calls),
              note: `${count(all.traffic.day.errors)} failed`,
            },
            { name: 'Earned, 24 hours', value: <Money amount={all.traffic.day.earned} /> },
            { name: 'Earned, 30 days', value: <Money amount={all.traffic.month.earned} /> },
            {
              name: 'Can be withdrawn',
              value: <Money amount={all.money.withdrawable} />,
              note: (
                <>
                  <Money amount={all.money.vesting} dimmed /> waits
                </>
              ),
            },
          ]}
        />
      )}
      <Card withBorder padding={all?.nodes === 0 ? 'md' : 0}>
        <PagedRecords
          query={query}
          caption="Your nodes"
          columns={COLUMNS}
          keyOf={({ node }) => node.id}
          empty={<NoNode />}
        />
      </Card>
    </Page>
  )
}

const COLUMNS: readonly Column<Row>[] = [
  {
    title: 'Node',
    cell: ({ node }) => (
      <TextLink inherit to="/nodes/$nodeId" params={{ nodeId: node.id }} style={{ unicodeBidi: 'isolate' }}>
        {node.name}
      </TextLink>
    ),
  },
  { title: 'State', cell: ({ node }) => <StateBadge state={node.state} /> },
  { title: 'What to know', cell: (row) => <FirstReason row={row} /> },
  {
    title: 'Calls, 24 h',
    isNumber: true,
    cell: ({ traffic: { day } }) => <Two first={count(day.calls)} second={`${count(day.errors)} failed`} />,
  },
  {
    title: 'Earned, 24 h and 30 days',
    isNumber: true,
    cell: ({ traffic: { day, month } }) => (
      <Two first={<Money amount={day.earned} />} second={<Money amount={month.earned} dimmed />} />
    ),
  },
  { title: 'In flight', isNumber: true, cell: ({ node }) => <InFlight id={node.id} /> },
  { title: 'Last call', cell: ({ lastCallAt }) => (lastCallAt === null ? 'never' : <When at={lastCallAt} />) },
  { title: 'Reached', cell: ({ node }) => <Two first={<Reached node={node} />} second={wireOf(node.wireVersion)} /> },
]

const wireOf = (version: number | null | undefined) =>
  typeof version === 'number' ? `wire version ${version}` : 'wire not known'

/** One below the other, so that the table fits beside the navigation. */
function Two({ first, second }: { first: ReactNode; second: ReactNode }) {
  return (
    <>
      {first}
      <Text size="xs" c="dimmed">
        {second}
      </Text>
    </>
  )
}

/** The first sentence; the node's page has them all. */
function FirstReason({ row: { node } }: { row: Row }) {
  const status = useQuery(statusQuery(node.id, false)).data
  const [first = node.reason, ...more] = status?.reasons ?? []
  if (first === null) return <Text size="sm">Nothing is in the way.</Text>
  return (
    <Text size="sm" miw={240} lineClamp={6}>
      {first}
      {more.length > 0 && (
        <>
          {' '}
          <TextLink to="/nodes/$nodeId" params={{ nodeId: node.id }} inherit>
            {more.length === 1 ? '1 more reason' : `${more.length} more reasons`}
          </TextLink>
        </>
      )}
    </Text>
  )
}

function InFlight({ id }: { id: string }) {
  const health = useQuery(statusQuery(id, false)).data?.health
  return health === undefined ? '–' : count(health.reduce((sum, { inFlight }) => sum + inFlight, 0))
}

function NoNode() {
  const wallet = useAccount()?.wallets[0]?.address ?? '0xYOUR_WALLET'
  const { origin } = window.location
  return (
    <Empty title="You have no node yet">
      <Text>
        A node is a program on a machine of yours that serves models and is paid for every call. It opens its own
        connection to this gateway: no port, no address, no certificate. It is called souk-node, and the README of its
        folder, provider-node, says how to install it. Three commands, on that machine:
      </Text>
      <Commands
        commands={[
          { line: `souk-node init --gateway ${origin}`, why: '1. Make its keys and its configuration.' },
          {
            line: `souk-node register --browser --operator ${wallet}`,
            why: '2. Register it: this prints a link to a page here, on which your wallet signs.',
          },
          { line: 'souk-node start', why: '3. Serve. It shows up here as soon as it is registered.' },
        ]}
      />
    </Empty>
  )
}

// A node at a glance: state and reasons first, then traffic, probation and how it is reached.
import { Alert, Card, Stack, Text, Title } from '@mantine/core'
import { Fragment } from 'react'
import type { NodeStatusView, ProbationView, Traffic } from '../../../protocol/operator.ts'
import { Money } from '../ui/money.tsx'
import { Pairs, type Pair } from '../ui/pairs.tsx'
import { Records, type Column } from '../ui/records.tsx'
import { When } from '../ui/when.tsx'
import { count, Reached, share, StateBadge, STATE_WORDS } from './node-state.tsx'
import { NodeReceipts } from './node-receipts.tsx'
import { Reasons } from './reasons.tsx'

export function NodeGlance({ status }: { status: NodeStatusView }) {
  const { node, reasons, notices, health, lastCallAt, probation, suspension } = status
  const inFlight = health.reduce((sum, offer) => sum + offer.inFlight, 0)
  const places = node.offers
    .filter(({ state }) => state === 'live')
    .reduce((sum, offer) => sum + (offer.inFlightCap ?? offer.concurrencyMax), 0)
  return (
    <Stack>
      <Card withBorder>
        <Stack gap="xs">
          <StateBadge state={node.state} />
          <Text>{STATE_WORDS[node.state]}</Text>
          <Reasons reasons={reasons} notices={notices} />
          {suspension && (
            <Alert variant="default" title={suspension.by === 'audit' ? 'Stopped by audits' : 'Stopped by the house'}>
              <Text size="sm">
                {suspension.reason} (<When at={suspension.at} />)
              </Text>
            </Alert>
          )}
        </Stack>
      </Card>
      <Card withBorder>
        <Title order={2} size="h4" mb="xs">
          Traffic
        </Title>
        <Records caption="Traffic of this node" columns={TRAFFIC} rows={spans(status)} keyOf={({ span }) => span} />
      </Card>
      {status.receipts && <NodeReceipts receipts={status.receipts} />}
      <Card withBorder>
        <Title order={2} size="h4" mb="xs">
          Details
        </Title>
        <Pairs
          label="Details of this node"
          pairs={[
            ['Reached', <Reached key="reached" node={node} />],
            ['Last call', lastCallAt === null ? 'never' : <When key="last" at={lastCallAt} />],
            ['In flight', `${count(inFlight)} of ${count(places)} places`],
            ['Version of the wire', typeof node.wireVersion === 'number' ? node.wireVersion : 'not known yet'],
            ['Continent', node.region ?? 'not known'],
            ...(probation ? probationPairs(probation) : []),
            ['Registered', <When key="registered" at={node.createdAt} />],
          ]}
        />
      </Card>
    </Stack>
  )
}

const probationPairs = ({ served, attempts, waitingShare, until }: ProbationView): Pair[] => [
  ['Probation', `${served === null ? '' : `${count(served)} of `}${count(attempts)} calls served well`],
  [
    'Earnings that wait',
    <Fragment key="waiting">
      {share(waitingShare)} of what it earns now, until <When at={until} />
    </Fragment>,
  ],
]

type Span = Traffic & { readonly span: string }

const spans = ({ traffic }: NodeStatusView): Span[] => [
  { span: 'Last hour', ...traffic.hour },
  { span: 'Last 24 hours', ...traffic.day },
  { span: 'Last 30 days', ...traffic.month },
]

const TRAFFIC: readonly Column<Span>[] = [
  { title: 'Time', cell: ({ span }) => span },
  { title: 'Calls', isNumber: true, cell: ({ calls }) => count(calls) },
  { title: 'Failed', isNumber: true, cell: ({ errors }) => count(errors) },
  { title: 'Tokens in', isNumber: true, cell: ({ inputTokens }) => count(inputTokens) },
  { title: 'Tokens out', isNumber: true, cell: ({ outputTokens }) => count(outputTokens) },
  { title: 'Tensor bytes', isNumber: true, cell: ({ tensorBytes }) => count(tensorBytes) },
  { title: 'Earned', isNumber: true, cell: ({ earned }) => <Money amount={earned} /> },
]

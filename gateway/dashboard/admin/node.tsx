// One node, as the house sees it: what it offers and how it does, what was decided about it and why, what audits found; suspend and reinstate.
import { Button, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { NodeStatusView } from '../../../protocol/operator.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { LinkButton } from '../ui/links.tsx'
import { usd } from '../ui/money.tsx'
import { quantity } from '../ui/quantity.ts'
import { Records } from '../ui/records.tsx'
import { Empty, Loaded, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Figures } from '../ui/figures.tsx'
import { AccountName, ModelName, StateWord } from './names.tsx'
import { NodeAudits } from './node-audits.tsx'

const route = getRouteApi('/admin/nodes/$nodeId')

export function AdminNodePage() {
  const { nodeId } = route.useParams()
  const status = useQuery({
    queryKey: ['admin', 'node', nodeId],
    queryFn: () => read(api.api.nodes[':id'].status.$get({ param: { id: nodeId } })),
    refetchInterval: REFRESH_MS,
  })
  return (
    <Page
      title={status.data?.node.name ?? 'Node'}
      intro={nodeId}
      actions={
        <LinkButton to="/admin" search={{ node: nodeId }} variant="default">
          Its traffic over time
        </LinkButton>
      }
    >
      <Loaded query={status}>
        {(found) => (
          <Stack>
            <State status={found} />
            <Traffic status={found} />
            <Offers status={found} />
          </Stack>
        )}
      </Loaded>
      <Sanctions nodeId={nodeId} />
      <NodeAudits nodeId={nodeId} />
    </Page>
  )
}

function State({ status: { node, reasons, lastCallAt } }: { status: NodeStatusView }) {
  const [isAsking, setIsAsking] = useState(false)
  const isSuspended = node.state === 'suspended'
  const sanction = api.api.admin.nodes[':id']
  const change = useAction({
    run: (reason: string) => {
      const request = { param: { id: node.id }, json: { reason } }
      return read(isSuspended ? sanction.reinstate.$post(request) : sanction.suspend.$post(request))
    },
    say: (now) => (now.state === 'suspended' ? `${now.name} is suspended.` : `${now.name} is ${now.state} now.`),
    changes: [['admin']],
  })
  return (
    <Card withBorder component="section">
      <Group justify="space-between" align="flex-start">
        <Stack gap={4}>
          <Group gap="xs">
            <Title order={2} size="h4">
              State
            </Title>
            <StateWord state={node.state} />
          </Group>
          {node.reason !== null && <Text style={{ overflowWrap: 'anywhere' }}>{node.reason}</Text>}
          {reasons.map((reason) => (
            <Text key={reason} size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              {reason}
            </Text>
          ))}
          <Text size="sm" c="dimmed" component="div" style={{ overflowWrap: 'anywhere' }}>
            Operated by <AccountName id={node.operatorAccountId} />, reached at {node.endpoint}, last call{' '}
            <When at={lastCallAt} />, registered <When at={node.createdAt} />
          </Text>
        </Stack>
        {node.state !== 'revoked' && (
          <Button variant="default" loading={change.isPending} onClick={() => setIsAsking(true)}>
            {isSuspended ? 'Reinstate' : 'Suspend'}
          </Button>
        )}
      </Group>
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title={isSuspended ? 'Reinstate this node?' : 'Suspend this node?'}
        action={isSuspended ? 'Reinstate' : 'Suspend'}
        reasonLabel="Reason, for its operator"
        reasonMax={500}
        onConfirm={(reason) => {
          setIsAsking(false)
          change.mutate(reason)
        }}
      >
        {isSuspended
          ? `${node.name} may serve again, beginning with the probation that every new node has.`
          : `${node.name} gets no calls any more. Its operator, account ${node.operatorAccountId}, is told the reason.`}
      </Confirm>
    </Card>
  )
}

const SPANS = [
  ['hour', 'Last hour'],
  ['day', 'Last 24 hours'],
  ['month', 'Last 30 days'],
] as const

function Traffic({ status: { traffic } }: { status: NodeStatusView }) {
  return (
    <Figures
      figures={SPANS.map(([span, name]) => {
        const { calls, errors, earned } = traffic[span]
        return {
          name,
          value: quantity(calls, 'calls'),
          note: `${quantity(errors, 'errors')}, earned ${usd(earned)}`,
        }
      })}
    />
  )
}

function Offers({ status: { node, health } }: { status: NodeStatusView }) {
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="xs">
        Offers
      </Title>
      {node.offers.length === 0 ? (
        <Empty title="It offers nothing" />
      ) : (
        <Records
          caption="Offers of the node"
          rows={node.offers.map((offer) => ({ offer, seen: health.find(({ model }) => model === offer.model) }))}
          keyOf={({ offer }) => offer.model}
          columns={[
            { title: 'Model', cell: ({ offer }) => <ModelName id={offer.model} /> },
            { title: 'State', cell: ({ offer }) => <StateWord state={offer.state} /> },
            { title: 'Why', cell: ({ offer }) => offer.reason ?? '–' },
            { title: 'Breaker', cell: ({ seen }) => seen?.breaker.replaceAll('_', ' ') ?? '–' },
            { title: 'Success', isNumber: true, cell: ({ seen }) => quantity(seen?.success ?? null, '%') },
            {
              title: 'First token',
              isNumber: true,
              cell: ({ seen }) =>
                quantity(
                  seen?.firstTokenMs === undefined || seen.firstTokenMs === null ? null : Math.round(seen.firstTokenMs),
                  'ms',
                ),
            },
            { title: 'In flight', isNumber: true, cell: ({ seen }) => quantity(seen?.inFlight ?? null, 'calls') },
            { title: 'Trust', isNumber: true, cell: ({ seen }) => quantity(seen?.trust ?? null, '%') },
          ]}
        />
      )}
    </Card>
  )
}

function Sanctions({ nodeId }: { nodeId: string }) {
  const sanctions = useQuery({
    queryKey: ['admin', 'node', nodeId, 'sanctions'],
    queryFn: () => read(api.api.nodes[':id'].sanctions.$get({ param: { id: nodeId } })),
  })
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="xs">
        What was decided about it
      </Title>
      <Loaded query={sanctions} rows={2}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="It was never stopped" />
          ) : (
            <Records
              caption="When the node was stopped and let in again"
              rows={data}
              keyOf={({ at, what }) => `${at} ${what}`}
              columns={[
                { title: 'When', cell: ({ at }) => <When at={at} /> },
                { title: 'What', cell: ({ what }) => <StateWord state={what} /> },
                { title: 'By', cell: ({ by }) => (by === 'house' ? 'the house' : 'an audit') },
                { title: 'Reason', cell: ({ reason }) => reason },
              ]}
            />
          )
        }
      </Loaded>
    </Card>
  )
}

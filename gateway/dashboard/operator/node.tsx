// One node of the operator: what it does, why it gets no calls, its offers, its health, what it earned, what audits found, and what can be done with it.
import { Card, Code, Stack, Tabs, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { ApiError } from '../data/api.ts'
import { LinkButton, TextLink } from '../ui/links.tsx'
import { Empty, Loaded, Page } from '../ui/state.tsx'
import { NodeActions } from './node-actions.tsx'
import { NodeAudits } from './node-audits.tsx'
import { NodeEarnings } from './node-earnings.tsx'
import { NodeGlance } from './node-glance.tsx'
import { NodeHealth } from './node-health.tsx'
import { NodeKeys } from './node-keys.tsx'
import { NodeOffers } from './node-offers.tsx'
import { statusQuery } from './node-queries.ts'
import { NodeSanctions } from './node-sanctions.tsx'
import type { NodeTab } from './routes.ts'

const route = getRouteApi('/nodes/$nodeId')

const TABS: readonly (readonly [NodeTab, string])[] = [
  ['glance', 'At a glance'],
  ['offers', 'Offers and prices'],
  ['health', 'Over time'],
  ['earnings', 'Earnings'],
  ['audits', 'Audits'],
  ['sanctions', 'Stops'],
  ['keys', 'Keys'],
]

export function NodePage() {
  const { nodeId } = route.useParams()
  const { view = 'glance' } = route.useSearch()
  const navigate = useNavigate()
  const query = useQuery(statusQuery(nodeId, true))
  if (query.error instanceof ApiError && query.error.status === 404) return <NotThere />
  return (
    <Page
      title={query.data?.node.name ?? 'Node'}
      intro={<Code>{nodeId}</Code>}
      actions={
        <LinkButton to="/nodes" variant="default">
          All nodes
        </LinkButton>
      }
    >
      <Loaded query={query}>
        {(status) => (
          <Stack>
            <NodeActions node={status.node} health={status.health} />
            <Tabs
              value={view}
              keepMounted={false}
              onChange={(value) =>
                void navigate({
                  to: '/nodes/$nodeId',
                  params: { nodeId },
                  search: { view: TABS.find(([name]) => name === value)?.[0] ?? 'glance' },
                  replace: true,
                })
              }
            >
              <Tabs.List>
                {TABS.map(([name, label]) => (
                  <Tabs.Tab key={name} value={name}>
                    {label}
                  </Tabs.Tab>
                ))}
              </Tabs.List>
              <Tabs.Panel value="glance" pt="md">
                <NodeGlance status={status} />
              </Tabs.Panel>
              <Tabs.Panel value="offers" pt="md">
                <NodeOffers status={status} />
              </Tabs.Panel>
              <Tabs.Panel value="health" pt="md">
                <NodeHealth nodeId={nodeId} />
              </Tabs.Panel>
              <Tabs.Panel value="earnings" pt="md">
                <NodeEarnings nodeId={nodeId} />
              </Tabs.Panel>
              <Tabs.Panel value="audits" pt="md">
                <NodeAudits nodeId={nodeId} />
              </Tabs.Panel>
              <Tabs.Panel value="sanctions" pt="md">
                <NodeSanctions nodeId={nodeId} />
              </Tabs.Panel>
              <Tabs.Panel value="keys" pt="md">
                <NodeKeys node={status.node} />
              </Tabs.Panel>
            </Tabs>
          </Stack>
        )}
      </Loaded>
    </Page>
  )
}

/** Somebody else's node looks the same as none. */
function NotThere() {
  return (
    <Page title="Node">
      <Card withBorder>
        <Empty title="There is no such node among yours">
          <Text>
            The address may be misspelt, or the node belongs to another account. Sign in with the wallet that registered
            it.
          </Text>
          <TextLink to="/nodes">Your nodes</TextLink>
        </Empty>
      </Card>
    </Page>
  )
}

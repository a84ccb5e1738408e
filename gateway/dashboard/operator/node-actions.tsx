// What an operator does with a node: take it out of the calls, bring it back, try it. Each says what will happen before it does.
import { Alert, Button, Card, Group, List, Text } from '@mantine/core'
import type { NodeView } from '../../../protocol/node.ts'
import type { OfferHealthView, SelftestReply } from '../../../protocol/operator.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { AskFirst } from './ask-first.tsx'
import { ms } from './node-state.tsx'

/** out of these a node can be drained */
const DRAINABLE: readonly NodeView['state'][] = ['pending', 'probation', 'active']

export function NodeActions({ node, health }: { node: NodeView; health: readonly OfferHealthView[] }) {
  const param = { id: node.id }
  const changes = [['operator']]
  const drain = useAction({
    run: () => read(api.api.nodes[':id'].drain.$post({ param })),
    say: () => `${node.name} is draining.`,
    changes,
  })
  const resume = useAction({
    run: () => read(api.api.nodes[':id'].resume.$post({ param })),
    say: ({ state }: NodeView) => `${node.name} is ${state}.`,
    changes,
  })
  const test = useAction({
    run: () => read(api.api.nodes[':id'].selftest.$post({ param, json: {} })),
  })
  const inFlight = health.reduce((sum, offer) => sum + offer.inFlight, 0)
  return (
    <>
      <Group>
        {DRAINABLE.includes(node.state) && (
          <AskFirst
            label="Drain"
            title={`Drain ${node.name}?`}
            action="Drain it"
            isBusy={drain.isPending}
            run={() => drain.mutate(undefined)}
          >
            <Text>
              It gets no new calls from now on. {underWay(inFlight)} When nothing is under way it can be stopped. It
              loses no standing, and you can bring it back at any time.
            </Text>
          </AskFirst>
        )}
        {node.state === 'draining' && (
          <AskFirst
            label="Bring it back"
            title={`Bring ${node.name} back?`}
            isBusy={resume.isPending}
            run={() => resume.mutate(undefined)}
          >
            <Text>It gets new calls again, as soon as it answers.</Text>
          </AskFirst>
        )}
        <Button variant="default" loading={test.isPending} onClick={() => test.mutate(undefined)}>
          Try it now
        </Button>
      </Group>
      {test.data && <Selftest reply={test.data} />}
    </>
  )
}

const underWay = (calls: number): string =>
  calls === 0
    ? 'No call is under way now.'
    : `${calls} ${calls === 1 ? 'call is' : 'calls are'} under way and will be finished.`

function Selftest({ reply: { data } }: { reply: SelftestReply }) {
  return (
    <Card withBorder role="status">
      <Text fw={600}>The gateway called it, paid by nobody</Text>
      {data.length === 0 && <Alert variant="default">It offers nothing that could be called.</Alert>}
      <List size="sm">
        {data.map(({ model, ok, ms: took, detail }) => (
          <List.Item key={model} style={{ overflowWrap: 'anywhere' }}>
            {model}: {ok ? `answered well after ${ms(took)}` : `failed after ${ms(took)}. ${detail ?? ''}`}
          </List.Item>
        ))}
      </List>
    </Card>
  )
}

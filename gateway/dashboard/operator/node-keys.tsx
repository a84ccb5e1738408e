// A node's key: who holds it serves in the operator's name. Exchanging it needs the machine of the node; taking it back needs the wallet, here.
import { Card, Code, Stack, Text, Title } from '@mantine/core'
import type { NodeView } from '../../../protocol/node.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { AskFirst } from './ask-first.tsx'
import { Commands } from './commands.tsx'

export function NodeKeys({ node }: { node: NodeView }) {
  const revoke = useAction({
    run: () => read(api.api.nodes[':id'].revoke.$post({ param: { id: node.id } })),
    say: () => `${node.name} is revoked.`,
    changes: [['operator']],
  })
  return (
    <Stack>
      <Card withBorder>
        <Title order={2} size="h4">
          Node key
        </Title>
        <Text size="sm" c="dimmed">
          Ed25519. It names this node and signs its receipts. {node.link && 'Its link is opened with it. '}It never
          leaves the machine.
        </Text>
        <Code block mt="xs" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
          {node.nodeKey}
        </Code>
      </Card>
      <Card withBorder>
        <Title order={2} size="h4">
          Exchange the key
        </Title>
        <Text mb="xs">
          After a leak, or now and then. The node keeps its id, history, state and offers. New keys are made on the
          machine of the node, and both the old and the new one sign; so this is done there. The wallet authorises them.
          Restart the node afterwards.
        </Text>
        <Commands
          commands={[
            { line: 'souk-node rotate-key', why: 'With the old key at hand:' },
            { line: 'souk-node rotate-key --lost', why: 'When keys.json is lost or damaged:' },
          ]}
        />
      </Card>
      {node.state !== 'revoked' && (
        <Card withBorder>
          <Title order={2} size="h4">
            Take the authorisation back
          </Title>
          <Text mb="xs">For a machine that is gone for good, or a key in wrong hands.</Text>
          <div>
            <AskFirst
              label="Revoke"
              title={`Revoke ${node.name}?`}
              action="Revoke it"
              isBusy={revoke.isPending}
              run={() => revoke.mutate(undefined)}
            >
              <Text>
                Its link is cut at once and it gets no calls. Calls under way on it are lost to it, and paid only for
                what was delivered. What it earned stays yours. To use this machine again it must be registered by the
                wallet anew, and pass its tests anew. Your wallet signs in once more for this.
              </Text>
            </AskFirst>
          </div>
        </Card>
      )}
    </Stack>
  )
}

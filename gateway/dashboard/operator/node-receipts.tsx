// Whether callers can prove what the node answered: how many receipts are owed, late or refused, and why, in the gateway's own sentences, which the node's
// program shows too.
import { Card, List, Stack, Text, Title } from '@mantine/core'
import type { ReceiptsView } from '../../../protocol/operator.ts'
import { Figures } from '../ui/figures.tsx'
import { count } from './node-state.tsx'

export function NodeReceipts({ receipts: { calls, owed, late, refused, words } }: { receipts: ReceiptsView }) {
  const of = `of the newest ${calls === 1 ? 'call' : `${count(calls)} calls`}`
  return (
    <Card withBorder component="section" aria-label="Receipts">
      <Stack gap="xs">
        <Title order={2} size="h4">
          Receipts
        </Title>
        <Figures
          figures={[
            { name: 'Owed', value: count(owed), note: of },
            { name: 'Late', value: count(late), note: of },
            {
              name: 'Refused',
              value: count(refused.reduce((sum, { count: some }) => sum + some, 0)),
              note: 'in the last 30 days',
            },
          ]}
        />
        {words.length === 0 ? (
          <Text size="sm" c="dimmed">
            {calls === 0
              ? 'No call has come that a receipt belongs to.'
              : 'Every call has its receipt, and none was refused.'}
          </Text>
        ) : (
          <List size="sm">
            {words.map((sentence) => (
              <List.Item key={sentence}>{sentence}</List.Item>
            ))}
          </List>
        )}
        <Text size="sm" c="dimmed">
          Receipts are proofs: none that is owed or refused takes money away.
        </Text>
      </Stack>
    </Card>
  )
}

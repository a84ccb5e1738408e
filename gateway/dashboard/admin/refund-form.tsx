// Gives an account back what a call cost it, all or some, and says who bears it. The same form again refunds nothing twice.
import { Alert, Button, Group, SegmentedControl, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { RefundReply } from '../../../protocol/money.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { usd as dollars } from '../ui/money.tsx'
import { amountError } from './amount.ts'
import { AccountName } from './names.tsx'
import { oneOf } from './search.ts'

const BEARERS = ['house', 'earners'] as const

export function RefundForm({ accountId }: { accountId: string }) {
  const [id, setId] = useState(() => crypto.randomUUID())
  const [callId, setCallId] = useState('')
  const [usd, setUsd] = useState('')
  const [from, setFrom] = useState<(typeof BEARERS)[number]>('house')
  const [isAsking, setIsAsking] = useState(false)
  const [reply, setReply] = useState<RefundReply | null>(null)
  const wrong = usd === '' ? null : amountError(usd)
  const isReady = callId.trim() !== '' && wrong === null
  const refund = useAction({
    run: (reason: string) =>
      read(
        api.api.admin.refunds.$post({
          json: { accountId, callId: callId.trim(), reason, id, from, ...(usd !== '' && { usd }) },
        }),
      ),
    say: ({ usd: given }) => `${dollars(given)} refunded.`,
    changes: [['admin', 'account']],
    then: (done) => {
      setReply(done)
      // A share that could not be asked for is tried again by the same request.
      if (done.takenBack.every(({ error }) => error === null)) setId(crypto.randomUUID())
    },
  })
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (isReady) setIsAsking(true)
      }}
    >
      <Stack>
        <Group align="flex-start">
          <TextInput label="Call" required value={callId} onChange={(event) => setCallId(event.currentTarget.value)} />
          <TextInput
            label="Dollars to refund"
            placeholder="all of the call"
            inputMode="decimal"
            value={usd}
            error={wrong}
            onChange={(event) => setUsd(event.currentTarget.value.trim())}
          />
        </Group>
        <Stack gap={4}>
          <Text size="sm" fw={600} id="refund-from">
            Who bears it
          </Text>
          <SegmentedControl
            aria-labelledby="refund-from"
            w="fit-content"
            value={from}
            data={[
              { value: 'house', label: 'The house' },
              { value: 'earners', label: 'Operator and author, their shares' },
            ]}
            onChange={(value) => setFrom(oneOf(BEARERS, value) ?? 'house')}
          />
        </Stack>
        <Group>
          <Button type="submit" variant="default" disabled={!isReady} loading={refund.isPending}>
            Refund
          </Button>
        </Group>
        {reply !== null && <Outcome reply={reply} />}
      </Stack>
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title="Refund this call?"
        action="Refund"
        reasonLabel="Reason, for the account's journal"
        onConfirm={(reason) => {
          setIsAsking(false)
          refund.mutate(reason)
        }}
      >
        {usd === '' ? 'All that is left of what the call cost' : dollars(usd)} goes back to account {accountId} for call{' '}
        {callId.trim()}.{' '}
        {from === 'house' ? 'The house bears all of it.' : 'Operator and author give back their shares of it.'}
      </Confirm>
    </form>
  )
}

function Outcome({ reply }: { reply: RefundReply }) {
  return (
    <Alert color="teal" title={`${dollars(reply.usd)} refunded`} role="status">
      <Text size="sm">At the expense of the house: {dollars(reply.house)}.</Text>
      {reply.takenBack.map(({ accountId, usd, taken, owed, error }) => (
        <Text size="sm" key={accountId}>
          <AccountName id={accountId} /> was asked for {dollars(usd)}: {dollars(taken)} came back, {dollars(owed)} could
          not be taken.{error !== null && ` Nothing is known of it yet (${error}); refund again to try it again.`}
        </Text>
      ))}
    </Alert>
  )
}

// The decision about one dispute: refund, all or some, or reject; with an answer for the payer. Somebody else may decide meanwhile: then nothing is done here.
import { Button, Group, Modal, SegmentedControl, Stack, Text, Textarea, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { DisputeView } from '../../../protocol/disputes.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { usd as dollars } from '../ui/money.tsx'
import { amountError } from './amount.ts'
import { ChangedMeanwhile, unlessChanged } from './meanwhile.tsx'
import { oneOf } from './search.ts'

const DECISIONS = ['refund', 'reject'] as const
const BEARERS = ['earners', 'house'] as const

export interface DecideDisputeProps {
  readonly isOpen: boolean
  /** null: none was chosen yet */
  readonly dispute: DisputeView | null
  readonly onClose: () => void
}

export function DecideDispute({ isOpen, dispute, onClose }: DecideDisputeProps) {
  return (
    <Modal opened={isOpen} onClose={onClose} title="Decide this dispute" centered>
      {dispute !== null && <Form key={dispute.id} dispute={dispute} onClose={onClose} />}
    </Modal>
  )
}

/** Its own component, so that each opening begins with nothing decided. */
function Form({ dispute, onClose }: { dispute: DisputeView; onClose: () => void }) {
  const client = useQueryClient()
  const [decision, setDecision] = useState<(typeof DECISIONS)[number]>('refund')
  const [from, setFrom] = useState<(typeof BEARERS)[number]>('earners')
  const [usd, setUsd] = useState('')
  const [answer, setAnswer] = useState('')
  const wrong = usd === '' ? null : amountError(usd)
  const decide = useAction({
    run: () =>
      unlessChanged(
        read(
          api.api.admin.disputes[':id'].decide.$post({
            param: { id: dispute.id },
            json: {
              decision,
              from,
              answer: answer.trim(),
              version: dispute.version,
              ...(decision === 'refund' && usd !== '' && { usd }),
            },
          }),
        ),
      ),
    say: (done) =>
      done === 'changed'
        ? null
        : done.refunded === null
          ? 'The dispute is rejected.'
          : `${dollars(done.refunded)} refunded.`,
    changes: [['admin']],
    then: (done) => done !== 'changed' && onClose(),
  })
  const amount = usd === '' ? `all of ${dollars(dispute.cost)}` : dollars(usd)
  if (decide.data === 'changed')
    return (
      <ChangedMeanwhile
        what="Somebody decided meanwhile"
        onReload={() => {
          void client.invalidateQueries({ queryKey: ['admin', 'disputes'] })
          onClose()
        }}
      />
    )
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (wrong === null && answer.trim() !== '') decide.mutate(undefined)
      }}
    >
      <Stack>
        <Text style={{ overflowWrap: 'anywhere' }}>
          Account {dispute.accountId} paid {dollars(dispute.cost)} for call {dispute.callId} and says (
          {dispute.kind.replaceAll('_', ' ')}): <bdi>{dispute.words}</bdi>
        </Text>
        <SegmentedControl
          aria-label="Decision"
          value={decision}
          data={[
            { value: 'refund', label: 'Refund' },
            { value: 'reject', label: 'Reject' },
          ]}
          onChange={(value) => setDecision(oneOf(DECISIONS, value) ?? 'refund')}
        />
        {decision === 'refund' && (
          <>
            <TextInput
              label="Dollars to refund"
              placeholder="all of the call"
              inputMode="decimal"
              value={usd}
              error={wrong}
              onChange={(event) => setUsd(event.currentTarget.value.trim())}
            />
            <SegmentedControl
              aria-label="Who bears it"
              value={from}
              data={[
                { value: 'earners', label: 'Operator and author' },
                { value: 'house', label: 'The house' },
              ]}
              onChange={(value) => setFrom(oneOf(BEARERS, value) ?? 'earners')}
            />
          </>
        )}
        <Textarea
          label="Answer to the payer"
          required
          autosize
          minRows={2}
          maxLength={1000}
          value={answer}
          onChange={(event) => setAnswer(event.currentTarget.value)}
        />
        <Text size="sm" c="dimmed">
          {decision === 'reject'
            ? 'Nothing is given back. This cannot be decided again.'
            : `The account gets ${amount} back, ${from === 'house' ? 'all of it at the expense of the house' : 'operator and author give back their shares'}. This cannot be decided again.`}
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            type="submit"
            color="red"
            loading={decide.isPending}
            disabled={wrong !== null || answer.trim() === ''}
          >
            {decision === 'reject'
              ? 'Reject the dispute'
              : `Refund ${usd === '' ? dollars(dispute.cost) : wrong === null ? dollars(usd) : ''}`}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

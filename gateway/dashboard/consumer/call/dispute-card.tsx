// A dispute about one call: how it stands, or the form that opens one. Once a call, for some days after it ended; the gateway keeps the time.
import { Button, Card, Group, NativeSelect, Stack, Text, Textarea, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { DisputeView } from '../../../../protocol/disputes.ts'
import type { Generation } from '../../../../protocol/generation.ts'
import { fromUsd } from '../../../../protocol/units.ts'
import { api, read } from '../../data/api.ts'
import { useAction } from '../../data/use-action.ts'
import { Money } from '../../ui/money.tsx'
import { quantity } from '../../ui/quantity.ts'
import { Loaded } from '../../ui/state.tsx'
import { When } from '../../ui/when.tsx'
import { Facts } from './facts.tsx'
import { Mark } from '../mark.tsx'

type Kind = DisputeView['kind']

const KINDS: Readonly<Record<Kind, string>> = {
  wrong_answer: 'The answer is wrong or useless',
  not_delivered: 'I did not get the answer, or not all of it',
  overcharged: 'It cost more than it should',
  other: 'Something else',
}
const KIND_NAMES = ['wrong_answer', 'not_delivered', 'overcharged', 'other'] as const
const STATES: Readonly<Record<DisputeView['state'], { readonly words: string; readonly color: string }>> = {
  open: { words: 'waits for a decision', color: 'blue' },
  refunded: { words: 'refunded', color: 'teal' },
  rejected: { words: 'rejected', color: 'red' },
  withdrawn: { words: 'taken back by you', color: 'gray' },
}
const WORDS_MAX = 1_000
const DAY_MS = 86_400_000

export function DisputeCard({ call }: { call: Generation }) {
  const disputes = useQuery({
    queryKey: ['disputes', 'call', call.id],
    queryFn: () => read(api.api.disputes.$get({ query: { call: call.id } })),
  })
  return (
    <Card withBorder component="section" aria-labelledby="dispute">
      <Title order={2} size="h4" id="dispute" mb="xs">
        Dispute
      </Title>
      <Loaded query={disputes} rows={2}>
        {({ data: [dispute], days }) =>
          dispute === undefined ? <Open call={call} days={days} /> : <Standing dispute={dispute} />
        }
      </Loaded>
    </Card>
  )
}

/** @param days the house gives, after the end of a call */
function Open({ call, days }: { call: Generation; days: number }) {
  const [kind, setKind] = useState<Kind>('wrong_answer')
  const [words, setWords] = useState('')
  const open = useAction({
    run: () => read(api.api.disputes.$post({ json: { callId: call.id, kind, words } })),
    changes: [['disputes']],
    say: () => 'The dispute is open. An admin of the house decides it.',
  })
  if (fromUsd(call.usage.cost) === 0n)
    return <Text size="sm">This call cost nothing, so there is nothing to give back.</Text>
  const until = Date.parse(call.endedAt) + days * DAY_MS
  const untilWords = <When at={new Date(until).toISOString()} />
  if (Date.now() > until) return <Text size="sm">This call could be disputed until {untilWords}, and no more.</Text>
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (words.trim() !== '') open.mutate()
      }}
    >
      <Stack>
        <Text size="sm">
          If something was wrong with this call, say so within {quantity(days, 'days')} of its end, until {untilWords}.
          An admin of the house reads what you write and the record above, and may give back what it cost,{' '}
          <Money amount={call.usage.cost} />.
        </Text>
        <NativeSelect
          label="What was wrong"
          data={KIND_NAMES.map((value) => ({ value, label: KINDS[value] }))}
          value={kind}
          onChange={(event) => setKind(KIND_NAMES.find((name) => name === event.currentTarget.value) ?? 'other')}
        />
        <Textarea
          label="In your words"
          description="The house has neither your request nor the answer: quote what matters."
          required
          autosize
          minRows={3}
          maxLength={WORDS_MAX}
          value={words}
          onChange={(event) => setWords(event.currentTarget.value)}
        />
        <Group>
          <Button type="submit" loading={open.isPending} disabled={words.trim() === ''}>
            Open a dispute
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function Standing({ dispute }: { dispute: DisputeView }) {
  const { words, color } = STATES[dispute.state]
  const withdraw = useAction({
    run: () =>
      read(api.api.disputes[':id'].withdraw.$post({ param: { id: dispute.id }, json: { version: dispute.version } })),
    changes: [['disputes']],
    say: () => 'The dispute is taken back.',
  })
  return (
    <Stack>
      <Facts
        facts={[
          ['State', <Mark words={words} color={color} />],
          ['About', KINDS[dispute.kind]],
          ['Opened', <When at={dispute.createdAt} />],
          ...(dispute.decidedAt === null ? [] : [['Ended', <When at={dispute.decidedAt} />] as const]),
          ...(dispute.refunded === null ? [] : [['Given back', <Money amount={dispute.refunded} />] as const]),
        ]}
      />
      <Text size="sm" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
        {dispute.words}
      </Text>
      {dispute.answer !== null && (
        <Stack gap={4}>
          <Text size="sm" fw={600}>
            What the house answered
          </Text>
          <Text size="sm" style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
            {dispute.answer}
          </Text>
        </Stack>
      )}
      {dispute.state === 'open' && (
        <Group>
          <Button variant="default" loading={withdraw.isPending} onClick={() => withdraw.mutate()}>
            Take it back
          </Button>
        </Group>
      )}
    </Stack>
  )
}

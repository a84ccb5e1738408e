// Makes a credit code: whoever redeems it first has the money. It is shown once, here, and kept nowhere in clear.
import { Alert, Button, Code, CopyButton, Group, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { CodeReply } from '../../../protocol/ledger.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { usd as dollars } from '../ui/money.tsx'
import { When } from '../ui/when.tsx'
import { GiftForm, type Gift } from './gift-form.tsx'

export function CodeForm() {
  const [expires, setExpires] = useState('')
  const [made, setMade] = useState<CodeReply | null>(null)
  /** each code has an emptied form after it */
  const [round, setRound] = useState(0)
  const make = useAction({
    run: (gift: Gift) => {
      const until = expires === '' ? {} : { expiresAt: new Date(`${expires}T23:59:59`).toISOString() }
      return read(api.api.admin.codes.$post({ json: { ...gift, ...until } }))
    },
    then: (reply) => {
      setMade(reply)
      setRound((before) => before + 1)
    },
  })
  return (
    <Stack>
      <GiftForm
        key={round}
        dollarsLabel="Dollars it is worth"
        reasonLabel="Reason of the code"
        verb="Make a code"
        question="Make this code?"
        action={() => 'Make the code'}
        words={(amount) => `Whoever redeems the code first is given ${amount} at the expense of the house.`}
        isBusy={make.isPending}
        give={make.mutate}
        beside={
          <TextInput
            label="Good until the end of (optional)"
            type="date"
            value={expires}
            onChange={(event) => setExpires(event.currentTarget.value)}
          />
        }
      />
      {made !== null && <Made code={made} onGone={() => setMade(null)} />}
    </Stack>
  )
}

function Made({ code, onGone }: { code: CodeReply; onGone: () => void }) {
  return (
    <Alert color="teal" title={`A code worth ${dollars(code.usd)}`} role="status">
      <Stack align="flex-start" gap="xs">
        <Text size="sm">
          Copy it now: it is not shown again. It is good until <When at={code.expiresAt} />.
        </Text>
        <Code style={{ overflowWrap: 'anywhere' }}>{code.code}</Code>
        <Group gap="xs">
          <CopyButton value={code.code}>
            {({ copied, copy }) => (
              <Button size="xs" variant="default" onClick={copy}>
                {copied ? 'Copied' : 'Copy'}
              </Button>
            )}
          </CopyButton>
          <Button size="xs" variant="default" onClick={onGone}>
            I have it
          </Button>
        </Group>
      </Stack>
    </Alert>
  )
}

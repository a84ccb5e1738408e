// Makes a credit code: whoever redeems it first has the money. It is shown once, here, and kept nowhere in clear.
import { Alert, Button, Code, CopyButton, Group, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { CodeReply } from '../../../protocol/ledger.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { usd as dollars } from '../ui/money.tsx'
import { When } from '../ui/when.tsx'
import { amountError } from './amount.ts'

export function CodeForm() {
  const [usd, setUsd] = useState('')
  const [reason, setReason] = useState('')
  const [expires, setExpires] = useState('')
  const [isAsking, setIsAsking] = useState(false)
  const [made, setMade] = useState<CodeReply | null>(null)
  const wrong = usd === '' ? null : amountError(usd)
  const isReady = amountError(usd) === null && reason.trim() !== ''
  const make = useAction({
    run: () =>
      read(
        api.api.admin.codes.$post({
          json: {
            usd,
            reason: reason.trim(),
            ...(expires !== '' && { expiresAt: new Date(`${expires}T23:59:59`).toISOString() }),
          },
        }),
      ),
    then: (reply) => {
      setMade(reply)
      setUsd('')
      setReason('')
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
          <TextInput
            label="Dollars it is worth"
            required
            inputMode="decimal"
            value={usd}
            error={wrong}
            onChange={(event) => setUsd(event.currentTarget.value.trim())}
          />
          <TextInput
            label="Reason of the code"
            required
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <TextInput
            label="Good until the end of (optional)"
            type="date"
            value={expires}
            onChange={(event) => setExpires(event.currentTarget.value)}
          />
        </Group>
        <Group>
          <Button type="submit" disabled={!isReady} loading={make.isPending}>
            Make a code
          </Button>
        </Group>
        {made !== null && <Made code={made} onGone={() => setMade(null)} />}
      </Stack>
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title="Make this code?"
        action="Make the code"
        onConfirm={() => {
          setIsAsking(false)
          make.mutate(undefined)
        }}
      >
        {isReady && <>Whoever redeems the code first is given {dollars(usd)} at the expense of the house.</>}
      </Confirm>
    </form>
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

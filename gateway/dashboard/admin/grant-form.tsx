// Gives an account money of the house's. The same form again gives nothing twice: each grant has an id of its own until it is done.
import { Button, Group, Stack, TextInput } from '@mantine/core'
import { useState, type FormEvent } from 'react'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { usd as dollars } from '../ui/money.tsx'
import { amountError } from './amount.ts'

/** @param to the account; absent: it is asked for */
export function GrantForm({ to }: { to?: string }) {
  const [id, setId] = useState(() => crypto.randomUUID())
  const [accountId, setAccountId] = useState(to ?? '')
  const [usd, setUsd] = useState('')
  const [reason, setReason] = useState('')
  const [isAsking, setIsAsking] = useState(false)
  const wrong = usd === '' ? null : amountError(usd)
  const isReady = amountError(usd) === null && reason.trim() !== '' && accountId.trim() !== ''
  const grant = useAction({
    run: () =>
      read(api.api.admin.grants.$post({ json: { accountId: accountId.trim(), usd, reason: reason.trim(), id } })),
    say: ({ usd: given, balance }) => `${dollars(given)} given. The account can spend ${dollars(balance)} now.`,
    changes: [['admin', 'account']],
    then: () => {
      setId(crypto.randomUUID())
      setUsd('')
      setReason('')
    },
  })
  const ask = (event: FormEvent) => {
    event.preventDefault()
    if (isReady) setIsAsking(true)
  }
  return (
    <form onSubmit={ask}>
      <Stack>
        {to === undefined && (
          <TextInput
            label="Account"
            description="Its id, as its owner sees it under Settings."
            required
            value={accountId}
            onChange={(event) => setAccountId(event.currentTarget.value)}
          />
        )}
        <Group align="flex-start">
          <TextInput
            label="Dollars to give"
            required
            inputMode="decimal"
            value={usd}
            error={wrong}
            onChange={(event) => setUsd(event.currentTarget.value.trim())}
          />
          <TextInput
            label="Reason of the grant"
            required
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
        </Group>
        <Group>
          <Button type="submit" disabled={!isReady} loading={grant.isPending}>
            Give
          </Button>
        </Group>
      </Stack>
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title="Give this money?"
        action={`Give ${isReady ? dollars(usd) : ''}`}
        onConfirm={() => {
          setIsAsking(false)
          grant.mutate(undefined)
        }}
      >
        {isReady && (
          <>
            The house gives {dollars(usd)} to account {accountId.trim()}, at its own expense. It can be spent at once
            and cannot be withdrawn.
          </>
        )}
      </Confirm>
    </form>
  )
}

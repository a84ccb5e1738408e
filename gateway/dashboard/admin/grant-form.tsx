// Gives an account money of the house's. The same form again gives nothing twice: each grant has an id of its own until it is done.
import { TextInput } from '@mantine/core'
import { useState } from 'react'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { usd as dollars } from '../ui/money.tsx'
import { GiftForm, type Gift } from './gift-form.tsx'

/** @param to the account; absent: it is asked for */
export function GrantForm({ to }: { to?: string }) {
  const [id, setId] = useState(() => crypto.randomUUID())
  const [accountId, setAccountId] = useState(to ?? '')
  const account = accountId.trim()
  const grant = useAction({
    run: (gift: Gift) => read(api.api.admin.grants.$post({ json: { accountId: account, ...gift, id } })),
    say: ({ usd: given, balance }) => `${dollars(given)} given. The account can spend ${dollars(balance)} now.`,
    changes: [['admin', 'account']],
    then: () => setId(crypto.randomUUID()),
  })
  return (
    <GiftForm
      key={id}
      dollarsLabel="Dollars to give"
      reasonLabel="Reason of the grant"
      verb="Give"
      question="Give this money?"
      action={(amount) => `Give ${amount}`}
      words={(amount) =>
        `The house gives ${amount} to account ${account}, at its own expense. It can be spent at once and cannot be withdrawn.`
      }
      isReady={account !== ''}
      isBusy={grant.isPending}
      give={grant.mutate}
      above={
        to === undefined && (
          <TextInput
            label="Account"
            description="Its id, as its owner sees it under Settings."
            required
            value={accountId}
            onChange={(event) => setAccountId(event.currentTarget.value)}
          />
        )
      }
    />
  )
}

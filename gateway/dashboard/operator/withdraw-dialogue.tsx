// The dialogue in which an operator withdraws what was earned (withdraw.tsx).
import { Alert, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { WithdrawalBody } from '../../../protocol/money.ts'
import type { OperatorSummary } from '../../../protocol/operator.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { useAccount } from '../session/session.ts'
import { usd } from '../ui/money.tsx'
import { plainUsd } from './offer-request.ts'

export interface WithdrawProps {
  readonly isOpen: boolean
  readonly close: () => void
  readonly money: OperatorSummary['money']
}

export function WithdrawDialogue({ isOpen, close, money }: WithdrawProps) {
  return (
    <Modal opened={isOpen} onClose={close} title="Withdraw earnings" centered>
      <Form close={close} money={money} />
    </Modal>
  )
}

/** Its own component, so that each opening begins anew. */
function Form({ close, money }: Omit<WithdrawProps, 'isOpen'>) {
  // One id for each opening: a request that is sent twice moves money once.
  const [id] = useState(() => crypto.randomUUID())
  const [amount, setAmount] = useState(() => sixPlaces(money.withdrawable))
  const payout = useAccount()?.payoutAddress?.address ?? null
  const withdraw = useAction({
    run: (body: { usd: string; id: string }) => read(api.api.withdrawals.$post({ json: body })),
    say: (made) => `${usd(made.usd)} will be sent to ${made.address}.`,
    changes: [['operator'], ['account']],
    then: close,
  })
  const body = { usd: amount.trim(), id }
  const isRight = WithdrawalBody.safeParse(body).success
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (isRight) withdraw.mutate(body)
      }}
    >
      <Stack>
        <TextInput
          label="Dollars"
          description={`Up to ${usd(money.withdrawable)} now; at least $0.01.`}
          value={amount}
          onChange={({ currentTarget: { value } }) => setAmount(value)}
          error={isRight ? undefined : 'Dollars, with at most six decimal places'}
          inputMode="decimal"
          data-autofocus
        />
        <Alert variant="default" title="What happens">
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            The amount leaves your balance at once. It is paid as USDC with the next pay-out of the house, to{' '}
            {payout === null ? 'the wallet you are signed in with' : `your pay-out address ${payout}`}. What cannot be
            paid comes back to your balance. Your wallet signs in once more for this.
          </Text>
        </Alert>
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" disabled={!isRight} loading={withdraw.isPending}>
            Withdraw {isRight ? usd(body.usd) : ''}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** USDC has six places: the rest stays. @example sixPlaces('1.234567890') // '1.234567' */
const sixPlaces = (amount: string): string => plainUsd(amount.replace(/(\.\d{6})\d+$/, '$1'))

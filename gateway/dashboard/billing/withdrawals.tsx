// Withdrawals: what was earned leaves for a wallet. A request asks for a fresh sign-in, and says before where the money will go.
import { Anchor, Badge, Button, Card, Group, Select, Stack, Text, TextInput, Title } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { AccountView } from '../../../protocol/auth.ts'
import { fromUsd, isUsdSent } from '../../../protocol/units.ts'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { accountQuery, useAccount } from '../session/session.ts'
import { Confirm } from '../ui/confirm.tsx'
import { Money, usd } from '../ui/money.tsx'
import { PagedRecords } from '../ui/records.tsx'
import { shortAddress } from '../ui/short.ts'
import { Empty } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'

const STATES: Readonly<Record<string, string>> = {
  requested: 'asked for',
  filed: 'being paid',
  paid: 'paid',
  returning: 'coming back',
  returned: 'came back',
}

export function WithdrawalsTab() {
  const account = useAccount()
  const withdrawals = useInfiniteQuery({
    queryKey: ['withdrawals'],
    queryFn: ({ pageParam }) =>
      read(api.api.withdrawals.$get({ query: pageParam === null ? {} : { cursor: pageParam } })),
    initialPageParam: null as string | null, // the type of the pages' cursors
    getNextPageParam: ({ nextCursor }) => nextCursor,
  })
  const withdrawable = withdrawals.data?.pages[0]?.withdrawable
  return (
    <Stack>
      {account !== null && account !== undefined && withdrawable !== undefined && (
        <Request account={account} withdrawable={withdrawable} />
      )}
      <PagedRecords
        caption="Withdrawals, newest first"
        query={withdrawals}
        keyOf={({ id }) => id}
        empty={
          <Empty title="No withdrawal yet">
            <Text>Only what was earned, by nodes or by models, can be withdrawn. What was paid in can be spent.</Text>
          </Empty>
        }
        columns={[
          { title: 'Asked for', cell: ({ requestedAt }) => <When at={requestedAt} /> },
          { title: 'US dollars', isNumber: true, cell: ({ usd: amount }) => <Money amount={amount} /> },
          { title: 'To', cell: ({ address }) => <span title={address}>{shortAddress(address)}</span> },
          {
            title: 'State',
            cell: ({ state }) => (
              <Badge variant="outline" color="gray" tt="none">
                {STATES[state] ?? state}
              </Badge>
            ),
          },
          { title: 'Reference', cell: ({ reference }) => reference ?? '–' },
        ]}
      />
    </Stack>
  )
}

function Request({ account, withdrawable }: { account: AccountView; withdrawable: string }) {
  const payoutAddress = account.payoutAddress?.address ?? null
  const [amount, setAmount] = useState('')
  const [wallet, setWallet] = useState(account.wallets[0]?.address ?? '')
  /** one id for one question, so that asking again after a failure moves nothing twice */
  const [asked, setAsked] = useState<string | null>(null)
  const address = payoutAddress ?? wallet
  const withdraw = useAction({
    run: (id: string) => read(api.api.withdrawals.$post({ json: { usd: amount, address, id } })),
    say: ({ usd: sum }) => `${usd(sum)} were taken from your balance and wait to be paid.`,
    changes: [['withdrawals'], accountQuery.queryKey, ['journal']],
    then: () => {
      setAmount('')
      setAsked(null)
    },
  })
  const isAmount = isUsdSent(amount) && fromUsd(amount) > 0n
  const isTooMuch = isAmount && fromUsd(amount) > fromUsd(withdrawable)
  const nothing = fromUsd(withdrawable) <= 0n
  return (
    <Card withBorder component="section" aria-label="Withdraw">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (isAmount && !isTooMuch) setAsked(crypto.randomUUID())
        }}
      >
        <Stack>
          <Title order={2} size="h4">
            Withdraw
          </Title>
          <Text>
            You can withdraw <strong>{usd(withdrawable)}</strong> now.
            {nothing ? ' Only what was earned, and has vested, can leave.' : ''}
          </Text>
          <Group align="flex-start">
            <TextInput
              label="Amount, $"
              inputMode="decimal"
              disabled={nothing}
              value={amount}
              error={
                isTooMuch
                  ? 'That is more than can be withdrawn now.'
                  : amount !== '' && !isAmount
                    ? 'Dollars, such as 25 or 0.5.'
                    : null
              }
              onChange={(event) => setAmount(event.currentTarget.value.trim())}
            />
            {payoutAddress === null && (
              <Select
                label="To this wallet of yours"
                allowDeselect={false}
                disabled={nothing}
                data={account.wallets.map(({ address: each }) => ({ value: each, label: shortAddress(each) }))}
                value={wallet}
                onChange={(next) => setWallet(next ?? '')}
              />
            )}
          </Group>
          {payoutAddress !== null && (
            <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
              It goes to your pay-out address {payoutAddress}, which is changed under{' '}
              <Anchor component={Link} to="/settings">
                Settings
              </Anchor>
              .
            </Text>
          )}
          <Group>
            <Button type="submit" disabled={!isAmount || isTooMuch || nothing}>
              Withdraw
            </Button>
          </Group>
        </Stack>
      </form>
      <Confirm
        isOpen={asked !== null}
        onClose={() => setAsked(null)}
        title="Withdraw this?"
        action="Withdraw"
        isBusy={withdraw.isPending}
        onConfirm={() => asked !== null && withdraw.mutate(asked)}
      >
        {isAmount ? usd(amount) : ''} leave your balance and go to {address}. Once paid, this cannot be taken back.
      </Confirm>
    </Card>
  )
}

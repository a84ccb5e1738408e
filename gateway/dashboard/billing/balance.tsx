// What can be spent, what is set aside, what comes later; the ways to bring money in; spend by month; and the limits of the whole account.
import { Alert, Anchor, Button, Card, Group, SimpleGrid, Stack, Text, TextInput, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import type { AccountView } from '../../../protocol/auth.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { useAction } from '../data/use-action.ts'
import { accountQuery } from '../session/session.ts'
import { Money, usd } from '../ui/money.tsx'
import { Loaded } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { LimitsCard } from './limits-card.tsx'
import { SpendByMonth } from './spend-by-month.tsx'

export function BalanceTab() {
  const account = useQuery({ ...accountQuery, refetchInterval: REFRESH_MS })
  return (
    <Loaded query={account}>
      {(view) =>
        view === null ? null : (
          <Stack>
            {view.frozen !== null && (
              <Alert color="red" title="This account is frozen" style={{ overflowWrap: 'anywhere' }}>
                It can spend nothing and withdraw nothing since <When at={view.frozen.at} />. The reason given:{' '}
                {view.frozen.reason}
              </Alert>
            )}
            <Stand view={view} />
            <TopUp />
            <SpendByMonth />
            <LimitsCard limits={view.limits} />
          </Stack>
        )
      }
    </Loaded>
  )
}

function Stand({ view }: { view: AccountView }) {
  const { openCalls } = view.limits
  return (
    <SimpleGrid cols={{ base: 1, xs: 3 }}>
      <Amount title="You can spend" amount={view.balance}>
        now
      </Amount>
      <Amount title="Set aside" amount={view.held}>
        for {openCalls} {openCalls === 1 ? 'call' : 'calls'} under way
      </Amount>
      <Amount title="Comes later" amount={view.vesting}>
        earned, and spendable after a waiting time
      </Amount>
    </SimpleGrid>
  )
}

function Amount({ title, amount, children }: { title: string; amount: string; children: ReactNode }) {
  return (
    <Card withBorder component="section" aria-label={title}>
      <Text size="sm" c="dimmed">
        {title}
      </Text>
      <Text size="xl" fw={600} style={{ overflowWrap: 'anywhere' }}>
        <Money amount={amount} />
      </Text>
      <Text size="sm" c="dimmed">
        {children}
      </Text>
    </Card>
  )
}

function TopUp() {
  const ways = useQuery({ queryKey: ['top-up'], queryFn: () => read(api.api['top-up'].$get()), staleTime: Infinity })
  const [code, setCode] = useState('')
  const redeem = useAction({
    run: (given: string) => read(api.api.codes.redeem.$post({ json: { code: given } })),
    say: ({ usd: amount, balance }) => `${usd(amount)} were added. You can spend ${usd(balance)} now.`,
    changes: [accountQuery.queryKey, ['journal']],
    then: () => setCode(''),
  })
  const pour = useAction({
    run: () => read(api.api.faucet.$post()),
    say: ({ balance }) => `Today’s credit is there: you can spend ${usd(balance)} now.`,
    changes: [accountQuery.queryKey, ['journal']],
  })
  const { paymentLink = null, faucet = null } = ways.data ?? {}
  return (
    <Card withBorder component="section" aria-label="Top up">
      <Stack>
        <Title order={2} size="h4">
          Top up
        </Title>
        <form
          onSubmit={(event) => {
            event.preventDefault()
            if (code.trim() !== '') redeem.mutate(code.trim())
          }}
        >
          <Group align="flex-end">
            <TextInput
              label="Credit code"
              placeholder="credit-…"
              autoComplete="off"
              maxLength={100}
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
              style={{ flex: '1 1 18rem' }}
            />
            <Button type="submit" loading={redeem.isPending} disabled={code.trim() === ''}>
              Redeem
            </Button>
          </Group>
        </form>
        {paymentLink !== null && (
          <Text size="sm">
            <Anchor href={paymentLink} target="_blank" rel="noopener noreferrer">
              Pay by card
            </Anchor>{' '}
            on the page of our payment processor, which opens in another tab. The amount appears here once it has
            confirmed the payment.
          </Text>
        )}
        {faucet !== null && (
          <Group>
            <Button variant="default" loading={pour.isPending} onClick={() => pour.mutate(undefined)}>
              Take {usd(faucet)} for testing
            </Button>
            <Text size="sm" c="dimmed">
              Once a day, on this development market only.
            </Text>
          </Group>
        )}
      </Stack>
    </Card>
  )
}

// The account at a glance: what there is to spend, what was spent, where it went, what happened last; and for who is new, what to do first.
import { Anchor, Button, Card, Group, List, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { AccountView } from '../../../protocol/auth.ts'
import { fromUsd } from '../../../protocol/units.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { accountQuery } from '../session/session.ts'
import { Money } from '../ui/money.tsx'
import { rangeOf, type RangePreset } from '../ui/range.ts'
import { Loaded, Page } from '../ui/state.tsx'
import { newestQuery } from './call-queries.ts'
import { count } from './call/route-words.ts'
import { CallsTable } from './calls-table.tsx'
import { CodeSample } from './code-sample.tsx'
import { keyNamesQuery } from './key-queries.ts'
import { SpendCard } from './spend-card.tsx'
import { changeWords, rangeBefore } from './spend-change.ts'
import { spendQuery } from './spend-queries.ts'

const LATEST = 5

export function OverviewPage() {
  const account = useQuery({ ...accountQuery, refetchInterval: REFRESH_MS })
  const latest = useQuery(newestQuery({}, LATEST))
  const search = useSearch({ from: '/overview' })
  const navigate = useNavigate({ from: '/overview' })
  const isNew = latest.data?.data.length === 0
  return (
    <Page title="Overview">
      <Loaded query={account} rows={3}>
        {(data) => data && <Balance account={data} />}
      </Loaded>
      {isNew && account.data && <FirstSteps account={account.data} />}
      <Spent />
      <SpendCard
        search={search}
        onSearch={(next) => void navigate({ search: next, replace: true, resetScroll: false })}
      />
      <Card withBorder component="section" aria-labelledby="latest">
        <Group justify="space-between" mb="xs">
          <Title order={2} size="h4" id="latest">
            Latest calls
          </Title>
          <Anchor component={Link} to="/calls">
            All calls
          </Anchor>
        </Group>
        <Loaded query={latest} rows={LATEST}>
          {({ data }) => (data.length === 0 ? <Text size="sm">No calls yet.</Text> : <CallsTable rows={data} />)}
        </Loaded>
      </Card>
    </Page>
  )
}

function Balance({ account: { balance, held, vesting, limits } }: { account: AccountView }) {
  const hasMore = fromUsd(vesting) > 0n || limits.limit !== null
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: hasMore ? 4 : 2 }} component="section" aria-label="Balance">
      <Tile
        name="You can spend"
        amount={balance}
        words={
          <Anchor component={Link} to="/billing">
            Top up
          </Anchor>
        }
      />
      <Tile name="Set aside" amount={held} words={`for ${count(limits.openCalls, 'call')} under way`} />
      {fromUsd(vesting) > 0n && <Tile name="Yours later" amount={vesting} words="earned, and kept back for a time" />}
      {limits.limit !== null && (
        <Tile name="Cap of the account" amount={limits.limit.usd} words={`${limits.limit.spent} dollars of it spent`} />
      )}
    </SimpleGrid>
  )
}

function Tile({ name, amount, words }: { name: string; amount: string; words: ReactNode }) {
  return (
    <Card withBorder>
      <Text size="sm" c="dimmed">
        {name}
      </Text>
      <Text size="xl" fw={600} style={{ overflowWrap: 'anywhere' }}>
        <Money amount={amount} />
      </Text>
      <Text size="sm" c="dimmed">
        {words}
      </Text>
    </Card>
  )
}

const PERIODS: readonly { readonly range: RangePreset; readonly name: string }[] = [
  { range: 'today', name: 'Spent today' },
  { range: '7d', name: 'Spent in 7 days' },
  { range: '30d', name: 'Spent in 30 days' },
]

function Spent() {
  return (
    <SimpleGrid cols={{ base: 1, xs: 3 }} component="section" aria-label="Spent">
      {PERIODS.map(({ range, name }) => (
        <SpentIn key={range} preset={range} name={name} />
      ))}
    </SimpleGrid>
  )
}

function SpentIn({ preset, name }: { preset: RangePreset; name: string }) {
  const range = rangeOf({ range: preset }, Date.now())
  const now = useQuery(spendQuery(range))
  const before = useQuery(spendQuery(rangeBefore(range, preset)))
  return (
    <Card withBorder>
      <Loaded query={now} rows={2}>
        {({ total }) => (
          <>
            <Text size="sm" c="dimmed">
              {name}
            </Text>
            <Text size="xl" fw={600} style={{ overflowWrap: 'anywhere' }}>
              <Money amount={total.charge} />
            </Text>
            <Text size="sm" c="dimmed">
              {before.data === undefined ? '…' : changeWords(total.charge, before.data.total.charge)}
            </Text>
          </>
        )}
      </Loaded>
    </Card>
  )
}

/** Until the first call: in the order in which it is done. */
function FirstSteps({ account }: { account: AccountView }) {
  const keys = useQuery(keyNamesQuery)
  const hasKey = (keys.data?.length ?? 0) > 0
  const hasMoney = fromUsd(account.balance) > 0n
  return (
    <Card withBorder component="section" aria-labelledby="begin">
      <Stack>
        <Title order={2} size="h4" id="begin">
          How to begin
        </Title>
        <List type="ordered" spacing="sm">
          <List.Item>
            {hasKey ? 'You have an API key.' : 'Make an API key for your program.'}{' '}
            <Anchor component={Link} to="/keys">
              {hasKey ? 'Your keys' : 'Make a key'}
            </Anchor>
          </List.Item>
          <List.Item>
            {hasMoney ? 'There is money to spend.' : 'Put some money on the account; calls are paid one by one.'}{' '}
            <Anchor component={Link} to="/billing">
              Top up
            </Anchor>
          </List.Item>
          <List.Item>Make a first call. Any client for OpenAI works: it needs this address and your key.</List.Item>
        </List>
        <CodeSample />
        <Group>
          <Button component={Link} to="/playground" variant="default">
            Or try it in the playground
          </Button>
        </Group>
      </Stack>
    </Card>
  )
}

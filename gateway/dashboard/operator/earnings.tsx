// What all nodes of the account earned: free, waiting, asked for and paid; by node; and the way out of it.
import { Card, Group, Stack, Text, Title } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import type { Withdrawal } from '../../../protocol/money.ts'
import type { OperatorSummary } from '../../../protocol/operator.ts'
import { LinkButton } from '../ui/links.tsx'
import { Money } from '../ui/money.tsx'
import { PagedRecords, Records, type Column } from '../ui/records.tsx'
import { Empty, Failed, Loading, Page } from '../ui/state.tsx'
import { shortAddress } from '../ui/short.ts'
import { When } from '../ui/when.tsx'
import { EarnedOverTime } from './earned-over-time.tsx'
import { Figures } from '../ui/figures.tsx'
import { summaryQuery, withdrawalsQuery } from './node-queries.ts'
import { count } from './node-state.tsx'
import { Withdraw } from './withdraw.tsx'
import { WithdrawalsFile } from './withdrawals-file.tsx'

export function EarningsPage() {
  const query = useInfiniteQuery(summaryQuery)
  const all = query.data?.pages[0]
  return (
    <Page
      title="Earnings"
      intro="What your nodes were paid: what is free, what waits, and what has left."
      actions={all && <Withdraw money={all.money} />}
    >
      {all ? (
        <Stack>
          <Sums all={all} />
          <Vesting parts={all.money.vestingParts} />
          <EarnedOverTime names={namesIn(query.data?.pages ?? [])} />
          <Withdrawals />
        </Stack>
      ) : query.isError ? (
        <Failed error={query.error} again={() => void query.refetch()} />
      ) : (
        <Loading />
      )}
    </Page>
  )
}

const namesIn = (pages: readonly OperatorSummary[]): ReadonlyMap<string, string> =>
  new Map(pages.flatMap(({ data }) => data.map(({ node }) => [node.id, node.name])))

function Sums({ all: { money, traffic } }: { all: OperatorSummary }) {
  const { count: asked, usd } = money.withdrawals
  return (
    <Figures
      figures={[
        { name: 'Can be withdrawn', value: <Money amount={money.withdrawable} /> },
        { name: 'Waits', value: <Money amount={money.vesting} />, note: 'earned in probation' },
        {
          name: 'On its way out',
          value: <Money amount={usd} />,
          note: `${count(asked)} ${asked === 1 ? 'withdrawal' : 'withdrawals'}`,
        },
        { name: 'Earned, 24 hours', value: <Money amount={traffic.day.earned} /> },
        { name: 'Earned, 30 days', value: <Money amount={traffic.month.earned} /> },
      ]}
    />
  )
}

type Part = OperatorSummary['money']['vestingParts'][number]

function Vesting({ parts }: { parts: readonly Part[] }) {
  if (parts.length === 0) return null
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        What waits
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        Part of what a node earns in probation can be spent later, so that a node that cheats has something to lose.
      </Text>
      <Records caption="Earnings that wait" columns={PARTS} rows={parts} keyOf={({ until }) => until} />
    </Card>
  )
}

function Withdrawals() {
  const query = useInfiniteQuery(withdrawalsQuery)
  return (
    <Card withBorder>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          Withdrawals
        </Title>
        <Group gap="xs">
          <WithdrawalsFile />
          <LinkButton to="/settings" variant="default">
            Pay-out address
          </LinkButton>
        </Group>
      </Group>
      <PagedRecords
        query={query}
        caption="Withdrawals"
        columns={WITHDRAWALS}
        keyOf={({ id }) => id}
        empty={
          <Empty title="Nothing was withdrawn yet">
            <Text>What is free can be withdrawn above. It goes to your pay-out address, or to a wallet of yours.</Text>
          </Empty>
        }
      />
    </Card>
  )
}

const PARTS: readonly Column<Part>[] = [
  { title: 'Free from', cell: ({ until }) => <When at={until} /> },
  { title: 'Amount', isNumber: true, cell: ({ usd }) => <Money amount={usd} /> },
]

const STATES: Readonly<Record<Withdrawal['state'], string>> = {
  requested: 'asked for',
  filed: 'being paid',
  paid: 'paid',
  returning: 'comes back',
  returned: 'came back: it is yours to spend again',
}

const WITHDRAWALS: readonly Column<Withdrawal>[] = [
  { title: 'Asked for', cell: ({ requestedAt }) => <When at={requestedAt} /> },
  { title: 'Amount', isNumber: true, cell: ({ usd }) => <Money amount={usd} /> },
  { title: 'To', cell: ({ address }) => <span title={address}>{shortAddress(address)}</span> },
  { title: 'State', cell: ({ state }) => STATES[state] },
  { title: 'Ended', cell: ({ endedAt }) => <When at={endedAt} /> },
  { title: 'Reference', cell: ({ reference }) => reference ?? '–' },
]

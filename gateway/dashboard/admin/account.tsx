// One account, as the house sees it: its money, what keeps it from spending, the head of its journal, and what the house may do about it.
import { Button, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { AccountMoneyReply } from '../../../protocol/money.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'
import { Money, usd } from '../ui/money.tsx'
import { Records } from '../ui/records.tsx'
import { Loaded, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Figures } from '../ui/figures.tsx'
import { GrantForm } from './grant-form.tsx'
import { JournalStand } from './journal-stand.tsx'
import { AccountLimits } from './account-limits.tsx'
import { AccountName } from './names.tsx'
import { RefundForm } from './refund-form.tsx'

const route = getRouteApi('/admin/accounts/$accountId')

export function AccountPage() {
  const { accountId } = route.useParams()
  const money = useQuery({
    queryKey: ['admin', 'account', accountId],
    queryFn: () => read(api.api.admin.accounts[':id'].$get({ param: { id: accountId } })),
    refetchInterval: REFRESH_MS,
  })
  return (
    <Page title="Account" intro={accountId}>
      <Loaded query={money}>
        {(found) => (
          <Stack>
            <Amounts money={found} />
            <Freeze money={found} />
            <AccountLimits money={found} />
          </Stack>
        )}
      </Loaded>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Card withBorder component="section">
          <Title order={2} size="h4" mb="xs">
            Top up by a grant
          </Title>
          <GrantForm to={accountId} />
        </Card>
        <Card withBorder component="section">
          <Title order={2} size="h4" mb="xs">
            Refund a call
          </Title>
          <RefundForm accountId={accountId} />
        </Card>
      </SimpleGrid>
      <JournalStand accountId={accountId} />
    </Page>
  )
}

function Amounts({ money }: { money: AccountMoneyReply }) {
  return (
    <>
      <Figures
        figures={[
          { name: 'Can be spent', value: <Money amount={money.balance} /> },
          { name: 'Held for open calls', value: <Money amount={money.held} /> },
          { name: 'Vesting', value: <Money amount={money.vesting} />, note: 'earned, and spendable later' },
          { name: 'Can be withdrawn', value: <Money amount={money.withdrawable} /> },
          {
            name: 'House fees of its nodes',
            value: <Money amount={money.fees} />,
            note: <>audits were paid {usd(money.audits)}</>,
          },
        ]}
      />
      {money.vestingParts.length > 0 && (
        <Card withBorder component="section">
          <Title order={2} size="h4" mb="xs">
            What vests, and when
          </Title>
          <Records
            caption="What vests, and when"
            rows={money.vestingParts}
            keyOf={({ until }) => until}
            columns={[
              { title: 'Spendable from', cell: ({ until }) => <When at={until} /> },
              { title: 'Amount', isNumber: true, cell: ({ usd: amount }) => <Money amount={amount} /> },
            ]}
          />
        </Card>
      )}
    </>
  )
}

function Freeze({ money: { accountId, frozen, balance } }: { money: AccountMoneyReply }) {
  /** since when it was frozen when the dialogue opened: what is decided is based on that */
  const [asked, setAsked] = useState<{ readonly seen: string | null } | null>(null)
  const account = api.api.admin.accounts[':id']
  const change = useAction({
    run: async (json: { reason: string; seen: string | null }): Promise<boolean> => {
      const request = { param: { id: accountId }, json }
      const now =
        json.seen === null ? await read(account.freeze.$post(request)) : await read(account.unfreeze.$post(request))
      return now.frozen !== null
    },
    say: (isFrozen) => (isFrozen ? 'The account is frozen.' : 'The account may spend again.'),
    changes: [['admin', 'account']],
  })
  return (
    <Card withBorder component="section">
      <Group justify="space-between">
        <Stack gap={4}>
          <Title order={2} size="h4">
            {frozen === null ? 'Not frozen' : 'Frozen'}
          </Title>
          {frozen === null ? (
            <Text c="dimmed">It may spend what it has.</Text>
          ) : (
            <>
              <Text style={{ overflowWrap: 'anywhere' }}>{frozen.reason}</Text>
              <Text size="sm" c="dimmed" component="div">
                By {frozen.by === null ? frozen.cause : <AccountName id={frozen.by} />}, <When at={frozen.at} />
              </Text>
            </>
          )}
        </Stack>
        <Button variant="default" onClick={() => setAsked({ seen: frozen?.at ?? null })} loading={change.isPending}>
          {frozen === null ? 'Freeze' : 'Unfreeze'}
        </Button>
      </Group>
      <Confirm
        isOpen={asked !== null}
        onClose={() => setAsked(null)}
        title={frozen === null ? 'Freeze this account?' : 'Unfreeze this account?'}
        action={frozen === null ? 'Freeze' : 'Unfreeze'}
        reasonLabel="Reason, for the account's journal"
        onConfirm={(reason) => {
          setAsked(null)
          if (asked) change.mutate({ reason, ...asked })
        }}
      >
        {frozen === null
          ? `Account ${accountId} cannot spend or withdraw its ${usd(balance)} any more. Calls that run finish; what it earns still arrives. Its owner is told the reason.`
          : `Account ${accountId} may spend and withdraw again.`}
      </Confirm>
    </Card>
  )
}

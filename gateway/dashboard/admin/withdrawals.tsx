// Withdrawals that accounts asked for: put into a pay-out file, or given back.
import { Alert, Button, Card, Group, Stack, Text, Title } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { PayoutReply, Withdrawal } from '../../../protocol/money.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { useAction } from '../data/use-action.ts'
import { usePages } from '../data/use-pages.ts'
import { Confirm } from '../ui/confirm.tsx'
import { TextLink } from '../ui/links.tsx'
import { Money, usd } from '../ui/money.tsx'
import { PagedRecords } from '../ui/records.tsx'
import { shortAddress } from '../ui/short.ts'
import { Empty } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Filters } from './filters.tsx'
import { AccountName, StateWord } from './names.tsx'
import { oneOf } from './search.ts'

const route = getRouteApi('/admin/money')
const STATES = ['requested', 'filed', 'paid', 'returning', 'returned'] as const

export function Withdrawals() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const state = oneOf(STATES, search.state)
  const [returning, setReturning] = useState<Withdrawal | null>(null)
  const withdrawals = usePages({
    key: ['admin', 'withdrawals', state ?? 'all'],
    ask: (cursor) =>
      read(
        api.api.admin.withdrawals.$get({
          query: { ...(state !== undefined && { state }), ...(cursor !== undefined && { cursor }) },
        }),
      ),
    refreshMs: REFRESH_MS,
  })
  const giveBack = useAction({
    run: ({ id, reason }: { id: string; reason: string }) =>
      read(api.api.admin.withdrawals[':id'].return.$post({ param: { id }, json: { reason } })),
    say: (row) => `${usd(row.usd)} went back to the account.`,
    changes: [['admin']],
  })
  return (
    <Card withBorder component="section">
      <Group justify="space-between" mb="xs" align="flex-end">
        <Title order={2} size="h4">
          Withdrawals
        </Title>
        <Group align="flex-end">
          <Filters
            search={{ ...(state !== undefined && { state }) }}
            states={STATES}
            onChange={(next) => void navigate({ search: { ...(next.state !== undefined && { state: next.state }) } })}
          />
          <MakeFile />
        </Group>
      </Group>
      <PagedRecords
        query={withdrawals}
        caption="Withdrawals"
        keyOf={({ id }) => id}
        empty={
          <Empty title={state === undefined ? 'Nobody asked for a withdrawal yet' : `No withdrawal is ${state}`}>
            <Text c="dimmed">What operators and authors ask for under Earnings stands here.</Text>
          </Empty>
        }
        columns={[
          { title: 'Asked for', cell: ({ requestedAt }) => <When at={requestedAt} /> },
          { title: 'Account', cell: ({ accountId }) => <AccountName id={accountId} /> },
          { title: 'Amount', isNumber: true, cell: ({ usd: amount }) => <Money amount={amount} /> },
          { title: 'To', cell: ({ address }) => <span title={address}>{shortAddress(address)}</span> },
          { title: 'State', cell: (row) => <StateWord state={row.state} /> },
          {
            title: 'File',
            cell: ({ batchId }) =>
              batchId === null ? (
                '–'
              ) : (
                <TextLink inherit to="/admin/money" search={(before) => ({ ...before, batch: batchId })}>
                  {batchId}
                </TextLink>
              ),
          },
          { title: 'Payment', cell: ({ reference }) => reference ?? '–' },
          {
            title: 'Do',
            cell: (row) =>
              row.state === 'requested' || row.state === 'filed' ? (
                <Button size="xs" variant="default" onClick={() => setReturning(row)}>
                  Give back
                </Button>
              ) : null,
          },
        ]}
      />
      <Confirm
        isOpen={returning !== null}
        onClose={() => setReturning(null)}
        title="Give this withdrawal back?"
        action="Give back"
        reasonLabel="Reason, for the account's journal"
        onConfirm={(reason) => {
          if (returning) giveBack.mutate({ id: returning.id, reason })
          setReturning(null)
        }}
      >
        {returning !== null && (
          <>
            {usd(returning.usd)} that was to go to {returning.address} goes back to account {returning.accountId}. Do
            this only when it was not paid{returning.batchId === null ? '' : `: it stands in file ${returning.batchId}`}
            .
          </>
        )}
      </Confirm>
    </Card>
  )
}

function MakeFile() {
  const navigate = route.useNavigate()
  const [isAsking, setIsAsking] = useState(false)
  const [reply, setReply] = useState<PayoutReply | null>(null)
  const make = useAction({
    run: () => read(api.api.admin.payouts.$post()),
    say: ({ batchId, count, usd: sum }) => (batchId === null ? null : `A file with ${count} payments, ${usd(sum)}.`),
    changes: [['admin']],
    then: (made) => {
      setReply(made)
      if (made.batchId !== null) void navigate({ search: (before) => ({ ...before, batch: made.batchId ?? '' }) })
    },
  })
  const isWorthSaying = reply !== null && (reply.batchId === null || reply.leftOut.length > 0 || reply.more)
  return (
    <Stack gap="xs">
      <Button onClick={() => setIsAsking(true)} loading={make.isPending}>
        Make a pay-out file
      </Button>
      {isWorthSaying && (
        <Alert
          color="orange"
          role="status"
          title={reply.batchId === null ? 'No file was made' : 'Not everything is in it'}
        >
          {reply.batchId === null && reply.leftOut.length === 0 && <Text size="sm">Nothing is requested.</Text>}
          {reply.more && <Text size="sm">The file is full, and more is requested: make another.</Text>}
          {reply.leftOut.map(({ id, accountId, reason }) => (
            <Text size="sm" key={id}>
              Left out: a withdrawal of <AccountName id={accountId} /> ({reason.replaceAll('_', ' ')})
            </Text>
          ))}
        </Alert>
      )}
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title="Make a pay-out file?"
        action="Make the file"
        onConfirm={() => {
          setIsAsking(false)
          make.mutate(undefined)
        }}
      >
        Everything that is requested and may go out is put into a new file, and cannot be put into another. No money
        moves until you pay by the file and say so here.
      </Confirm>
    </Stack>
  )
}

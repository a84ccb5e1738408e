// The ledger's health: how far the book is behind, what is on its way, what verification found, and the two remedies.
import { Button, Card, Group, SegmentedControl, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import type { AlertView } from '../../../protocol/verification.ts'
import { api, read } from '../data/api.ts'
import { REFRESH_MS } from '../data/query-client.ts'
import { useAction } from '../data/use-action.ts'
import { usePages } from '../data/use-pages.ts'
import { Confirm } from '../ui/confirm.tsx'
import { PagedRecords, Records } from '../ui/records.tsx'
import { Empty, Loaded, Page } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Figures } from '../ui/figures.tsx'
import { AccountName } from './names.tsx'
import { projectionFigures } from './projection-figures.tsx'
import { RebuildButton } from './rebuild.tsx'

const route = getRouteApi('/admin/ledger')
const COUNT = new Intl.NumberFormat('en')

export function LedgerPage() {
  const stand = useQuery({
    queryKey: ['admin', 'ledger'],
    queryFn: () => read(api.api.admin.ledger.$get()),
    refetchInterval: REFRESH_MS,
  })
  return (
    <Page
      title="Ledger"
      intro="Guards decide, the book remembers. Every account is looked at once a day, and what does not add up stands here."
      actions={<RebuildButton />}
    >
      <Loaded query={stand}>
        {(found) => (
          <Stack>
            <Figures
              figures={[
                {
                  name: 'Accounts checked',
                  value: COUNT.format(found.accountsChecked),
                  note: found.checkedAt === null ? 'not yet' : <When at={found.checkedAt} />,
                },
                ...projectionFigures(found),
                { name: 'Open alerts', value: COUNT.format(found.alertsOpen) },
              ]}
            />
            {found.behind.length > 0 && (
              <Card withBorder component="section">
                <Title order={2} size="h4" mb="xs">
                  Behind longest
                </Title>
                <Records
                  caption="Accounts whose lines are behind longest"
                  rows={found.behind}
                  keyOf={({ accountId }) => accountId}
                  columns={[
                    { title: 'Account', cell: ({ accountId }) => <AccountName id={accountId} /> },
                    { title: 'Lines', isNumber: true, cell: ({ lines }) => COUNT.format(lines) },
                    { title: 'Since', cell: ({ since }) => <When at={since} /> },
                  ]}
                />
              </Card>
            )}
          </Stack>
        )}
      </Loaded>
      <Alerts />
    </Page>
  )
}

function Alerts() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const state = search.state === 'all' ? 'all' : 'open'
  const [asked, setAsked] = useState<AlertView | null>(null)
  const alerts = usePages({
    key: ['admin', 'alerts', state],
    ask: (cursor) => read(api.api.admin.alerts.$get({ query: { state, ...(cursor !== undefined && { cursor }) } })),
    refreshMs: REFRESH_MS,
  })
  const resolve = useAction({
    run: ({ id, reason }: { id: string; reason: string }) =>
      read(api.api.admin.alerts[':id'].resolve.$post({ param: { id }, json: { reason } })),
    say: ({ unfrozen }) =>
      unfrozen
        ? 'Resolved. The account may spend again.'
        : 'Resolved. What keeps the account frozen, if anything, is another matter.',
    changes: [['admin']],
  })
  return (
    <Card withBorder component="section">
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          Alerts
        </Title>
        <SegmentedControl
          aria-label="Which alerts"
          size="xs"
          value={state}
          data={[
            { value: 'open', label: 'Open' },
            { value: 'all', label: 'All' },
          ]}
          onChange={(which) => void navigate({ search: which === 'all' ? { state: 'all' } : {} })}
        />
      </Group>
      <PagedRecords
        query={alerts}
        caption="Alerts of verification"
        keyOf={({ id }) => id}
        empty={
          <Empty title={state === 'open' ? 'No alert is open' : 'There was never an alert'}>
            <Text c="dimmed">Nothing needs to be done.</Text>
          </Empty>
        }
        columns={[
          { title: 'When', cell: ({ at }) => <When at={at} /> },
          { title: 'What', cell: ({ kind }) => kind },
          { title: 'Of', cell: ({ subject }) => <AccountName id={subject} /> },
          { title: 'In words', cell: ({ detail }) => detail },
          {
            title: 'Resolved',
            cell: (alert) =>
              alert.resolvedAt === null ? (
                <Button size="xs" variant="default" onClick={() => setAsked(alert)}>
                  Resolve
                </Button>
              ) : (
                <>
                  <When at={alert.resolvedAt} />: {alert.resolution}
                </>
              ),
          },
        ]}
      />
      <Confirm
        isOpen={asked !== null}
        onClose={() => setAsked(null)}
        title="Resolve this alert?"
        action="Resolve"
        reasonLabel="What was found"
        onConfirm={(reason) => {
          if (asked) resolve.mutate({ id: asked.id, reason })
          setAsked(null)
        }}
      >
        {asked?.kind} of {asked?.subject}: {asked?.detail}. When nothing else is open about this account and
        verification froze it, it may spend again.
      </Confirm>
    </Card>
  )
}

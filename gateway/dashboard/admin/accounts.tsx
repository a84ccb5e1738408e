// Every account, newest first; found by the beginning of its id or of a wallet's address.
import { Card, Text } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import { api, read } from '../data/api.ts'
import { usePages } from '../data/use-pages.ts'
import { PagedRecords } from '../ui/records.tsx'
import { Empty, Page } from '../ui/state.tsx'
import { shortAddress } from '../ui/short.ts'
import { When } from '../ui/when.tsx'
import { Filters } from './filters.tsx'
import { AccountName } from './names.tsx'
import { SaveList } from './save-list.tsx'

const route = getRouteApi('/admin/accounts')

export function AccountsPage() {
  const { q } = route.useSearch()
  const navigate = route.useNavigate()
  const asked = { ...(q !== undefined && { q }) }
  const accounts = usePages({
    key: ['admin', 'accounts', q ?? ''],
    ask: (cursor) =>
      read(api.api.admin.accounts.$get({ query: { ...asked, ...(cursor !== undefined && { cursor }) } })),
  })
  return (
    <Page
      title="Accounts"
      actions={
        <SaveList name="accounts.csv" ask={() => api.api.admin.accounts.$get({ query: { ...asked, format: 'csv' } })} />
      }
    >
      <Filters
        key={q}
        search={asked}
        label="Id or wallet begins with"
        onChange={(next) => void navigate({ search: next })}
      />
      <Card withBorder>
        <PagedRecords
          query={accounts}
          caption="Accounts"
          keyOf={({ accountId }) => accountId}
          empty={
            <Empty title="No such account">
              <Text c="dimmed">Look by the first characters of an account id or of a wallet’s address.</Text>
            </Empty>
          }
          columns={[
            { title: 'Account', cell: ({ accountId }) => <AccountName id={accountId} /> },
            {
              title: 'Wallets',
              cell: ({ wallets }) =>
                wallets.map((wallet) => (
                  <Text key={wallet} size="sm" title={wallet}>
                    {shortAddress(wallet)}
                  </Text>
                )),
            },
            {
              title: 'Does',
              cell: ({ isOperator, isAuthor }) =>
                [isOperator && 'operates nodes', isAuthor && 'publishes models'].filter(Boolean).join(', ') || '–',
            },
            { title: 'Since', cell: ({ createdAt }) => <When at={createdAt} /> },
          ]}
        />
      </Card>
    </Page>
  )
}

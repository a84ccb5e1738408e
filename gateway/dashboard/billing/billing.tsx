// Billing: what the account has, how money comes in and goes out, and the papers: statements and the journal, which is checked here.
import { Tabs } from '@mantine/core'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { Loading, Page } from '../ui/state.tsx'
import { PARTS, type Part } from './search.ts'

// An address opens one part, and each is fetched with it alone: what the papers are read with is of no use to who looks at the balance.
const BalanceTab = lazy(async () => ({ default: (await import('./balance.tsx')).BalanceTab }))
const StatementsTab = lazy(async () => ({ default: (await import('./statements.tsx')).StatementsTab }))
const JournalTab = lazy(async () => ({ default: (await import('./journal.tsx')).JournalTab }))
const WithdrawalsTab = lazy(async () => ({ default: (await import('./withdrawals.tsx')).WithdrawalsTab }))

const NAMES: Readonly<Record<Part, string>> = {
  balance: 'Balance',
  statements: 'Statements',
  journal: 'Journal',
  withdrawals: 'Withdrawals',
}

export function BillingPage() {
  const { part = 'balance' } = useSearch({ from: '/billing' })
  const navigate = useNavigate({ from: '/billing' })
  return (
    <Page title="Billing" intro="Amounts are US dollars, to the billionth. Months are months of UTC.">
      <Tabs
        value={part}
        keepMounted={false}
        onChange={(next) => void navigate({ search: { part: PARTS.find((each) => each === next) ?? 'balance' } })}
      >
        <Tabs.List mb="md">
          {PARTS.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {NAMES[each]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Suspense fallback={<Loading />}>
          <Tabs.Panel value="balance">
            <BalanceTab />
          </Tabs.Panel>
          <Tabs.Panel value="statements">
            <StatementsTab />
          </Tabs.Panel>
          <Tabs.Panel value="journal">
            <JournalTab />
          </Tabs.Panel>
          <Tabs.Panel value="withdrawals">
            <WithdrawalsTab />
          </Tabs.Panel>
        </Suspense>
      </Tabs>
    </Page>
  )
}

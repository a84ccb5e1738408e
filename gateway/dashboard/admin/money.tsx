// Money in and out by the house's hand: withdrawals and the files they are paid by, grants, and credit codes.
import { Card, Stack, Tabs, Title } from '@mantine/core'
import { getRouteApi } from '@tanstack/react-router'
import { Page } from '../ui/state.tsx'
import { CodeForm } from './code-form.tsx'
import { GrantForm } from './grant-form.tsx'
import { PayoutFileCard } from './payout-file.tsx'
import { Withdrawals } from './withdrawals.tsx'

const route = getRouteApi('/admin/money')

export function MoneyPage() {
  const { tab, batch } = route.useSearch()
  const navigate = route.useNavigate()
  return (
    <Page
      title="Grants and payouts"
      intro="Everything here is asked once more before it is done, and stands in the log."
    >
      <Tabs
        value={tab ?? 'payouts'}
        onChange={(next) => void navigate({ search: next === 'give' ? { tab: 'give' } : {} })}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          <Tabs.Tab value="payouts">Payouts</Tabs.Tab>
          <Tabs.Tab value="give">Grants and codes</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="payouts">
          <Stack>
            {batch !== undefined && <PayoutFileCard key={batch} batchId={batch} />}
            <Withdrawals />
          </Stack>
        </Tabs.Panel>
        <Tabs.Panel value="give">
          <Stack>
            <Card withBorder component="section">
              <Title order={2} size="h4" mb="xs">
                Give an account money
              </Title>
              <GrantForm />
            </Card>
            <Card withBorder component="section">
              <Title order={2} size="h4" mb="xs">
                Make a credit code
              </Title>
              <CodeForm />
            </Card>
          </Stack>
        </Tabs.Panel>
      </Tabs>
    </Page>
  )
}

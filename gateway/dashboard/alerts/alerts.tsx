// Alerts and webhooks: what the owner wants to be told, where to, and how it went.
import { Stack } from '@mantine/core'
import { Page } from '../ui/state.tsx'
import { LowBalance } from './low-balance.tsx'
import { Webhooks } from './webhooks.tsx'

export function AlertsPage() {
  return (
    <Page
      title="Alerts and webhooks"
      intro="A program of yours is told of what happens to your account: with a signed message to each webhook below."
    >
      <Stack>
        <LowBalance />
        <Webhooks />
      </Stack>
    </Page>
  )
}

// Alerts and webhooks.
import { Page } from '../ui/state.tsx'

export function AlertsPage() {
  return <Page title="Alerts and webhooks">{null}</Page>
}

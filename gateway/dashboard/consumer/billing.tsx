// Billing.
import { Page } from '../ui/state.tsx'

export function BillingPage() {
  return <Page title="Billing">{null}</Page>
}

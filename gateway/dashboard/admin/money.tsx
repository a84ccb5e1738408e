// Grants and payouts.
import { Page } from '../ui/state.tsx'

export function MoneyPage() {
  return <Page title="Grants and payouts">{null}</Page>
}

// Earnings.
import { Page } from '../ui/state.tsx'

export function EarningsPage() {
  return <Page title="Earnings">{null}</Page>
}

// Disputes.
import { Page } from '../ui/state.tsx'

export function DisputesPage() {
  return <Page title="Disputes">{null}</Page>
}

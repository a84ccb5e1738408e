// Ledger.
import { Page } from '../ui/state.tsx'

export function LedgerPage() {
  return <Page title="Ledger">{null}</Page>
}

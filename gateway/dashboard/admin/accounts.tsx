// Accounts.
import { Page } from '../ui/state.tsx'

export function AccountsPage() {
  return <Page title="Accounts">{null}</Page>
}

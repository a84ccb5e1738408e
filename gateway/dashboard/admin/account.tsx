// Account.
import { Page } from '../ui/state.tsx'

export function AccountPage() {
  return <Page title="Account">{null}</Page>
}

// Join an account.
import { Page } from '../ui/state.tsx'

export function JoinPage() {
  return <Page title="Join an account">{null}</Page>
}

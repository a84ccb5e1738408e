// API keys.
import { Page } from '../ui/state.tsx'

export function KeysPage() {
  return <Page title="API keys">{null}</Page>
}

// Calls.
import { Page } from '../ui/state.tsx'

export function CallsPage() {
  return <Page title="Calls">{null}</Page>
}

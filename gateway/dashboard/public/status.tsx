// Status.
import { Page } from '../ui/state.tsx'

export function StatusPage() {
  return <Page title="Status">{null}</Page>
}

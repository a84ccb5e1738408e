// Node.
import { Page } from '../ui/state.tsx'

export function AdminNodePage() {
  return <Page title="Node">{null}</Page>
}

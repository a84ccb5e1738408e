// Nodes.
import { Page } from '../ui/state.tsx'

export function AdminNodesPage() {
  return <Page title="Nodes">{null}</Page>
}

// Nodes.
import { Page } from '../ui/state.tsx'

export function NodesPage() {
  return <Page title="Nodes">{null}</Page>
}

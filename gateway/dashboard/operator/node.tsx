// Node.
import { Page } from '../ui/state.tsx'

export function NodePage() {
  return <Page title="Node">{null}</Page>
}

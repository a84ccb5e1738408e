// Register a node.
import { Page } from '../ui/state.tsx'

export function RegisterPage() {
  return <Page title="Register a node">{null}</Page>
}

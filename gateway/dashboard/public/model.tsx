// Model.
import { Page } from '../ui/state.tsx'

export function ModelPage() {
  return <Page title="Model">{null}</Page>
}

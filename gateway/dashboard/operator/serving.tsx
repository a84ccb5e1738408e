// Models you serve.
import { Page } from '../ui/state.tsx'

export function ServingPage() {
  return <Page title="Models you serve">{null}</Page>
}

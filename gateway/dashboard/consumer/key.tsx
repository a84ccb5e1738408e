// API key.
import { Page } from '../ui/state.tsx'

export function KeyPage() {
  return <Page title="API key">{null}</Page>
}

// Call.
import { Page } from '../ui/state.tsx'

export function CallPage() {
  return <Page title="Call">{null}</Page>
}

// Log.
import { Page } from '../ui/state.tsx'

export function LogPage() {
  return <Page title="Log">{null}</Page>
}

// Overview.
import { Page } from '../ui/state.tsx'

export function OverviewPage() {
  return <Page title="Overview">{null}</Page>
}

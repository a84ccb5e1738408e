// Reports.
import { Page } from '../ui/state.tsx'

export function ReportsPage() {
  return <Page title="Reports">{null}</Page>
}

// Models.
import { Page } from '../ui/state.tsx'

export function AdminModelsPage() {
  return <Page title="Models">{null}</Page>
}

// Parameters.
import { Page } from '../ui/state.tsx'

export function ParametersPage() {
  return <Page title="Parameters">{null}</Page>
}

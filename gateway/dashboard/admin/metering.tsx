// Metering.
import { Page } from '../ui/state.tsx'

export function MeteringPage() {
  return <Page title="Metering">{null}</Page>
}

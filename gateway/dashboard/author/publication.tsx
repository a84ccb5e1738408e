// Your model.
import { Page } from '../ui/state.tsx'

export function PublicationPage() {
  return <Page title="Your model">{null}</Page>
}

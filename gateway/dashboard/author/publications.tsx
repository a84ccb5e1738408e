// Your models.
import { Page } from '../ui/state.tsx'

export function PublicationsPage() {
  return <Page title="Your models">{null}</Page>
}

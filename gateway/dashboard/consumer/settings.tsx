// Settings.
import { Page } from '../ui/state.tsx'

export function SettingsPage() {
  return <Page title="Settings">{null}</Page>
}

// Playground.
import { Page } from '../ui/state.tsx'

export function PlaygroundPage() {
  return <Page title="Playground">{null}</Page>
}

// The root of all addresses: every page stands in the frame.
import { Anchor } from '@mantine/core'
import { createRootRoute, Link } from '@tanstack/react-router'
import { Frame } from './shell/frame.tsx'
import { Failed, Page } from './ui/state.tsx'

export const root = createRootRoute({
  component: Frame,
  notFoundComponent: () => (
    <Page title="No such page" intro="The address may be misspelt, or what it named is gone.">
      <Anchor component={Link} to="/">
        To the market
      </Anchor>
    </Page>
  ),
  errorComponent: PageBroke,
})

/** Also after a new version: the files of the one that is open are gone, and loading the page again brings the new ones. */
export function PageBroke({ error }: { error: unknown }) {
  return (
    <Page title="This page broke">
      <Failed error={error} again={() => window.location.reload()} />
    </Page>
  )
}

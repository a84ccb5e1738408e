// Before a page that needs somebody signed in: who is nobody is asked to sign in, in the page's own place, so that its address stays and its content comes
// right after. Whether somebody may see what is behind is the gateway's decision; this only spares them pages full of refusals.
import { Card } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense, type ReactNode } from 'react'
import { Failed, Loading, Page } from '../ui/state.tsx'
import { accountQuery } from './session.ts'

const SignInPanel = lazy(async () => ({ default: (await import('./sign-in-panel.tsx')).SignInPanel }))

/** Pages for everybody; all others need a wallet. `/register` shows what a link asks for before anybody signs in. */
const FOR_EVERYBODY = /^\/($|models\/|status$|sign-in$|join$|register$)/

export function SessionGate({ pathname, children }: { pathname: string; children: ReactNode }) {
  const account = useQuery(accountQuery)
  if (FOR_EVERYBODY.test(pathname)) return <>{children}</>
  if (account.data === undefined)
    return account.isError ? (
      <Page title="Souk">
        <Failed error={account.error} again={() => void account.refetch()} />
      </Page>
    ) : (
      <Loading />
    )
  if (account.data === null) return <SignInHere />
  if (/^\/admin(\/|$)/.test(pathname) && !account.data.roles.includes('admin'))
    return (
      <Page title="For admins" intro="These pages are for who runs this market. Your account is none of theirs.">
        {null}
      </Page>
    )
  return <>{children}</>
}

function SignInHere() {
  return (
    <Page title="Sign in" intro="This page belongs to an account. Sign in, and it appears here.">
      <Card withBorder maw={480}>
        <Suspense fallback={<Loading rows={3} />}>
          <SignInPanel onSignedIn={() => undefined} />
        </Suspense>
      </Card>
    </Page>
  )
}

// Who is signed in, in the corner; or the way in. The menu behind it is fetched when it is first opened.
import { Button } from '@mantine/core'
import { Link, useLocation } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { useAccount } from '../session/session.ts'
import { usd } from '../ui/money.tsx'

const OpenedMenu = lazy(async () => ({ default: (await import('./opened-menu.tsx')).OpenedMenu }))

export function AccountMenu() {
  const account = useAccount()
  const { href } = useLocation()
  const [wasOpened, setWasOpened] = useState(false)
  if (account === undefined) return null
  if (account === null)
    return <Button renderRoot={(props) => <Link to="/sign-in" search={{ from: href }} {...props} />}>Sign in</Button>
  const shut = (
    <Button
      variant="default"
      aria-label={`Your account: ${usd(account.balance)}`}
      aria-haspopup="menu"
      aria-expanded={false}
      onClick={() => setWasOpened(true)}
    >
      {usd(account.balance)}
    </Button>
  )
  if (!wasOpened) return shut
  return (
    <Suspense fallback={shut}>
      <OpenedMenu account={account} />
    </Suspense>
  )
}

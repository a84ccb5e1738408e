// Who is signed in, in the corner; or the way in.
import { Button, Menu, Text } from '@mantine/core'
import { Link, useLocation, useNavigate } from '@tanstack/react-router'
import { api, done } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { forgetKey } from '../playground/key-store.ts'
import { forgetWallet } from '../session/kept-wallet.ts'
import { endSession, useAccount } from '../session/session.ts'
import { shortAddress } from '../ui/short.ts'
import { usd } from '../ui/money.tsx'

export function AccountMenu() {
  const account = useAccount()
  const navigate = useNavigate()
  const { href } = useLocation()
  const leave = useAction({
    run: () =>
      endSession(async () => {
        await done(api.auth['sign-out'].$post())
        forgetWallet()
        forgetKey()
        await navigate({ to: '/' })
      }),
  })
  if (account === undefined) return null
  if (account === null)
    return <Button renderRoot={(props) => <Link to="/sign-in" search={{ from: href }} {...props} />}>Sign in</Button>
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" aria-label={`Your account: ${usd(account.balance)}`}>
          {usd(account.balance)}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{shortAddress(account.me?.address ?? account.accountId)}</Menu.Label>
        <Menu.Item component={Link} to="/settings">
          Settings
        </Menu.Item>
        <Menu.Item onClick={() => leave.mutate()}>
          <Text size="sm">Sign out</Text>
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

// The menu of who is signed in (account-menu.tsx). It opens as soon as it is there: somebody has asked for it.
import { Button, Menu, Text } from '@mantine/core'
import { Link, useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import type { AccountView } from '../../../protocol/auth.ts'
import { api, done } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { forgetKey } from '../playground/key-store.ts'
import { forgetWallet } from '../session/kept-wallet.ts'
import { endSession } from '../session/session.ts'
import { usd } from '../ui/money.tsx'
import { shortAddress } from '../ui/short.ts'

export function OpenedMenu({ account }: { account: AccountView }) {
  const navigate = useNavigate()
  const target = useRef<HTMLButtonElement>(null)
  const [isOpen, setIsOpen] = useState(false)
  useEffect(() => {
    // In the place of the button that was pressed, so that the keyboard comes back here.
    target.current?.focus()
    setIsOpen(true)
  }, [])
  const leave = useAction({
    run: () =>
      endSession(async () => {
        await done(api.auth['sign-out'].$post())
        forgetWallet()
        forgetKey()
        await navigate({ to: '/' })
      }),
  })
  return (
    <Menu position="bottom-end" opened={isOpen} onChange={setIsOpen}>
      <Menu.Target>
        <Button ref={target} variant="default" aria-label={`Your account: ${usd(account.balance)}`}>
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

// Says so when the wallet that signed in is on another account than the session. The session goes on as who it is: nothing is changed, and nothing is
// signed as somebody else, until its owner says.
import { Alert, Button, Group, Text } from '@mantine/core'
import { Link, useLocation } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { shortAddress } from '../ui/short.ts'
import { accountIn, useWallets } from './browser-wallets.ts'
import { keptWallet } from './kept-wallet.ts'
import { useAccount } from './session.ts'
import { isSameAddress } from './signer.ts'

export function WalletWatch() {
  const account = useAccount()
  const kind = account ? keptWallet()?.kind : undefined
  const wallet = useWallets().find(({ rdns }) => rdns === kind)
  const [now, setNow] = useState<string | null>(null)
  const [stays, setStays] = useState<string | null>(null)
  const { href } = useLocation()

  useEffect(() => {
    if (wallet === undefined) return
    const { provider } = wallet
    const changed = (accounts: unknown) => setNow(accountIn(accounts))
    // It may have been changed while this page was closed. Asks for nothing its owner would see.
    provider.request({ method: 'eth_accounts' }).then(changed, () => setNow(null))
    provider.on?.('accountsChanged', changed)
    return () => provider.removeListener?.('accountsChanged', changed)
  }, [wallet])

  const signedInAs = account?.me?.address
  if (signedInAs === undefined || now === null || now === stays || isSameAddress(now, signedInAs)) return null
  return (
    <Alert color="yellow" variant="outline" role="alert" mb="md" title="Your wallet is on another account">
      <Text size="sm">
        You are signed in as {shortAddress(signedInAs)}, and the wallet is on {shortAddress(now)}. What you do here is
        still done as {shortAddress(signedInAs)}.
      </Text>
      <Group mt="xs" gap="xs">
        <Button size="xs" renderRoot={(props) => <Link to="/sign-in" search={{ from: href }} {...props} />}>
          Sign in as {shortAddress(now)}
        </Button>
        <Button size="xs" variant="default" onClick={() => setStays(now)}>
          Stay as {shortAddress(signedInAs)}
        </Button>
      </Group>
    </Alert>
  )
}

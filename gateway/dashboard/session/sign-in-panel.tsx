// The wallets that can sign in here, one button each.
import { Alert, Button, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { messageOf } from '../data/message-of.ts'
import { browserSigner, useWallets, type BrowserWallet } from './browser-wallets.ts'
import { forgetEverything } from './session.ts'
import { signIn } from './sign-in.ts'

export function SignInPanel({ onSignedIn }: { onSignedIn: () => void }) {
  const wallets = useWallets()
  const [busy, setBusy] = useState<string | null>(null)
  const [failed, setFailed] = useState<string | null>(null)

  const enter = async (wallet: BrowserWallet) => {
    setBusy(wallet.info.uuid)
    setFailed(null)
    try {
      await signIn(await browserSigner(wallet))
      await forgetEverything()
      onSignedIn()
    } catch (error) {
      setFailed(messageOf(error))
    } finally {
      setBusy(null)
    }
  }

  return (
    <Stack>
      <Text size="sm">
        Your wallet signs a short message that names this site. It costs nothing, moves no money and gives no permission
        over your tokens.
      </Text>
      {wallets.length === 0 && <Text>No browser wallet was found.</Text>}
      {wallets.map((wallet) => (
        <Button
          key={wallet.info.uuid}
          loading={busy === wallet.info.uuid}
          disabled={busy !== null}
          onClick={() => void enter(wallet)}
        >
          Sign in with {wallet.info.name}
        </Button>
      ))}
      {failed !== null && (
        <Alert color="red" role="alert">
          {failed}
        </Alert>
      )}
    </Stack>
  )
}

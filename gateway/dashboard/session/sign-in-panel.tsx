// Signing in: choose a wallet, see what it is asked to sign, sign. Fresh sign-ins are the same, but only by a wallet of the account that is signed in.
import { Alert, Code, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { shortAddress } from '../ui/short.ts'
import { keepWallet } from './kept-wallet.ts'
import { sessionChanged, useAccount } from './session.ts'
import { signIn } from './sign-in.ts'
import { isSameAddress, type Signer } from './signer.ts'
import { WalletChoice } from './wallet-choice.tsx'
import { WalletRefused } from './wallet-refused.ts'

interface Panel {
  readonly onSignedIn: () => void
  /** as who is signed in already: another wallet is refused, lest a dialogue changes who acts */
  readonly isFresh?: boolean
}

export function SignInPanel({ onSignedIn, isFresh = false }: Panel) {
  const account = useAccount()
  const [asked, setAsked] = useState<{ readonly signer: Signer; readonly message: string } | null>(null)

  const enter = async (signer: Signer) => {
    try {
      if (isFresh && account)
        requireOneOf(signer, account.me ? [account.me.address] : account.wallets.map((wallet) => wallet.address))
      const { address } = await signIn(signer, (message) => setAsked({ signer, message }))
      keepWallet({ address, kind: signer.kind })
      if (!isFresh) await sessionChanged()
      onSignedIn()
    } finally {
      setAsked(null)
    }
  }

  return (
    <Stack>
      <Text size="sm">
        Your wallet is shown a short text and asked to sign it. It says: this address signs in to{' '}
        <b>{window.location.host}</b>, now, once. It costs nothing, moves no money and gives no permission over what the
        wallet holds.
      </Text>
      <WalletChoice verb="Sign in" onChosen={enter} mayCreate={!isFresh} />
      {asked !== null && <Asked {...asked} />}
    </Stack>
  )
}

/** The exact text, while the wallet waits for its owner. */
function Asked({ signer, message }: { signer: Signer; message: string }) {
  return (
    <Alert color="blue" variant="outline" title="Look into your wallet" role="status">
      <Stack gap="xs">
        <Text size="sm">
          The wallet now asks you to sign as {shortAddress(signer.address)}. Sign only if it shows this very text:
        </Text>
        <Code block style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }} tabIndex={0}>
          {message}
        </Code>
      </Stack>
    </Alert>
  )
}

/** @throws WalletRefused */
export function requireOneOf(signer: Signer, addresses: readonly string[]): void {
  if (addresses.some((address) => isSameAddress(address, signer.address))) return
  const wanted = addresses.map(shortAddress).join(' or ')
  throw new WalletRefused(
    `The wallet is on ${shortAddress(signer.address)}, and you are signed in as ${wanted}. Change the account in the wallet, then try again.`,
  )
}

// Joining an account by an invitation: its code stands behind `#`, which no server sees. The wallet that signs becomes a member, with the role it was invited as.
import { Alert, Card, Stack, Text } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api, read } from '../data/api.ts'
import { keepWallet } from '../session/kept-wallet.ts'
import { sessionChanged, useAccount } from '../session/session.ts'
import { proveWallet } from '../session/sign-in.ts'
import type { Signer } from '../session/signer.ts'
import { WalletChoice } from '../session/wallet-choice.tsx'
import { shortAddress } from '../ui/short.ts'
import { Empty, Page } from '../ui/state.tsx'

export function JoinPage() {
  const navigate = useNavigate()
  const account = useAccount()
  const [code] = useState(() => window.location.hash.slice(1))
  const join = async (signer: Signer) => {
    const proof = await proveWallet(signer, () => undefined)
    const { address } = await read(api.auth.join.$post({ json: { code, ...proof } }))
    keepWallet({ address, kind: signer.kind })
    await sessionChanged()
    await navigate({ to: '/overview' })
  }
  return (
    <Page title="Join an account" intro="Somebody invited you to act for their account.">
      {code === '' ? (
        <Empty title="This address is not complete">
          <Text>An invitation is a link with a code behind the #. Open the whole link that you were sent.</Text>
        </Empty>
      ) : (
        <Card withBorder maw={480}>
          <Stack>
            {account && (
              <Alert color="yellow" variant="outline" title="You are signed in already">
                As {shortAddress(account.me?.address ?? account.accountId)}. A wallet is in one account only: join with
                another wallet, one that never signed in here. This browser then is signed in with that one.
              </Alert>
            )}
            <Text size="sm">
              Choose the wallet that becomes a member. It signs a short text that names <b>{window.location.host}</b>.
              It costs nothing, moves no money, and the invitation is used up by it.
            </Text>
            <WalletChoice verb="Join" onChosen={join} />
          </Stack>
        </Card>
      )}
    </Page>
  )
}

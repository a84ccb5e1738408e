// An account's settings: who may act for it, where it is signed in, where its earnings go, what becomes of its prompts, and the panic button.
import { Card, Stack, Text, Title } from '@mantine/core'
import type { ReactNode } from 'react'
import { useAccount } from '../session/session.ts'
import { Page } from '../ui/state.tsx'
import { DataPolicy } from './settings/data-policy.tsx'
import { Invitations } from './settings/invitations.tsx'
import { Members } from './settings/members.tsx'
import { PasskeyWallets } from './settings/passkey-wallets.tsx'
import { PayoutAddress } from './settings/payout-address.tsx'
import { RevokeAll } from './settings/revoke-all.tsx'
import { Sessions } from './settings/sessions.tsx'

export function SettingsPage() {
  const account = useAccount()
  if (!account) return null
  const role = account.me?.role ?? 'owner'
  const isManager = role === 'owner' || role === 'admin'
  return (
    <Page title="Settings" intro={`Account ${account.accountId}. You are its ${role}.`}>
      <Part
        title="Wallets and members"
        about="Each wallet is a member with one role. Whoever holds a wallet of an owner holds the account."
      >
        <Members accountId={account.accountId} isOwner={role === 'owner'} isManager={isManager} />
      </Part>
      {isManager && (
        <Part title="Invitations" about="A link lets one wallet in, once. Send it only to the person it is for.">
          <Invitations isOwner={role === 'owner'} />
        </Part>
      )}
      <Part title="Where you are signed in" about="Each browser or program with a session. End what you do not know.">
        <Sessions />
      </Part>
      <Part title="Wallets in this browser" about="Keys that were made here and sealed with a passkey.">
        <PasskeyWallets />
      </Part>
      <Part title="What becomes of what you send" about="Holds for every call of this account.">
        <DataPolicy isManager={isManager} />
      </Part>
      <Part
        title="Payout address"
        about="Where withdrawals go. A change takes two days, and can be taken back until then."
      >
        <PayoutAddress isOwner={role === 'owner'} />
      </Part>
      {isManager && (
        <Part title="If something was stolen" about="Ends everything that can act for this account, at once.">
          <RevokeAll />
        </Part>
      )}
    </Page>
  )
}

function Part({ title, about, children }: { title: string; about: string; children: ReactNode }) {
  return (
    <Card withBorder component="section" aria-label={title}>
      <Stack gap="sm">
        <div>
          <Title order={2} size="h4">
            {title}
          </Title>
          <Text size="sm" c="dimmed">
            {about}
          </Text>
        </div>
        {children}
      </Stack>
    </Card>
  )
}

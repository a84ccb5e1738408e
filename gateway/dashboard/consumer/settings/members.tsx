// The members of an account: each wallet with its role, what waits, and changes. What makes or unmakes an owner takes effect later, and says when.
import { Badge, Button, Code, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { MemberRole } from '../../../../protocol/auth.ts'
import type { MemberView } from '../../../../protocol/members.ts'
import { api, read } from '../../data/api.ts'
import { useAction } from '../../data/use-action.ts'
import { askSigner } from '../../session/ask-signer.tsx'
import { isSameAddress } from '../../session/signer.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { dialogue } from '../../ui/dialogue.tsx'
import { Records } from '../../ui/records.tsx'
import { shortAddress } from '../../ui/short.ts'
import { Loaded } from '../../ui/state.tsx'
import { When } from '../../ui/when.tsx'
import { isMemberOf, leaveAccount } from './leaving.ts'

const ChangeRole = dialogue(async () => (await import('./change-role.tsx')).ChangeRole)

const KEY = ['members'] as const
/** What else a change of members changes. */
const CHANGES = [KEY, ['account'], ['sessions']]

/** A member as it was looked at when a dialogue opened, with the version of that look. */
interface Seen {
  readonly member: MemberView
  readonly version: number
}
interface Change extends Seen {
  readonly role: MemberRole | null
}

interface MembersShown {
  readonly accountId: string
  readonly isOwner: boolean
  readonly isManager: boolean
}

export function Members({ accountId, isOwner, isManager }: MembersShown) {
  const [changing, setChanging] = useState<Seen | null>(null)
  const [removing, setRemoving] = useState<Seen | null>(null)
  const navigate = useNavigate()
  const members = useQuery({ queryKey: KEY, queryFn: () => read(api.api.account.members.$get()) })
  const me = members.data?.me ?? ''
  const seen = (member: MemberView): Seen => ({ member, version: members.data?.version ?? 0 })
  const close = () => {
    setChanging(null)
    setRemoving(null)
  }
  const change = useAction({
    run: ({ member: { address }, role, version }: Change) => {
      const ask = () => read(api.api.account.members[':address'].$put({ param: { address }, json: { role, version } }))
      return role === null && isSameAddress(address, me)
        ? leaveAccount({ accountId, address, ask, go: () => navigate({ to: '/' }) })
        : ask()
    },
    changes: CHANGES,
    say: ({ data }, { member, role }) => {
      if (isSameAddress(member.address, me) && !isMemberOf(data, me)) return null
      const waits = data.find(({ address }) => isSameAddress(address, member.address))?.pending
      if (waits) return 'It takes effect in two days. Any owner may take it back until then.'
      return role === null
        ? `${shortAddress(member.address)} is removed.`
        : `${shortAddress(member.address)} is ${role} now.`
    },
    then: close,
    whenChanged: close,
  })
  const takeBack = useAction({
    run: ({ member: { address }, version }: Seen) =>
      read(
        api.api.account.members[':address'].pending.$delete({
          param: { address },
          query: { version: String(version) },
        }),
      ),
    changes: CHANGES,
    say: () => 'Taken back. Everything stays as it was.',
  })
  const addOwn = useAction({
    run: async () => {
      const signer = await askSigner(
        'The wallet you choose signs that it is yours, and becomes a wallet of this account. If it is in the same extension, change the account there first.',
      )
      const { proveWallet } = await import('../../session/sign-in.ts')
      return read(api.api.account.wallets.$post({ json: await proveWallet(signer, () => undefined) }))
    },
    changes: CHANGES,
    say: ({ address }) => `${shortAddress(address)} is a wallet of this account now.`,
  })

  const columns = [
    {
      title: 'Wallet',
      cell: (member: MemberView) => <Wallet member={member} isMe={isSameAddress(member.address, me)} />,
    },
    { title: 'Role', cell: ({ role }: MemberView) => role },
    {
      title: 'Waits',
      cell: (member: MemberView) => (
        <Waits member={member} mayTakeBack={isManager} onTakeBack={() => takeBack.mutate(seen(member))} />
      ),
    },
    { title: 'Since', cell: ({ addedAt }: MemberView) => <When at={addedAt} /> },
    {
      title: 'Change',
      cell: (member: MemberView) => (
        <Buttons
          member={member}
          isMe={isSameAddress(member.address, me)}
          mayChange={isOwner || (isManager && member.role !== 'owner')}
          onChange={() => setChanging(seen(member))}
          onRemove={() => setRemoving(seen(member))}
        />
      ),
    },
  ]
  return (
    <Loaded query={members} rows={3}>
      {({ data }) => (
        <Stack gap="sm" align="stretch">
          <Records caption="Members" rows={data} keyOf={({ address }) => address} columns={columns} />
          {isManager && (
            <Button
              variant="default"
              style={{ alignSelf: 'flex-start' }}
              loading={addOwn.isPending}
              onClick={() => addOwn.mutate()}
            >
              Add a wallet of your own
            </Button>
          )}
          <ChangeRole
            isOpen={changing !== null}
            member={changing?.member ?? null}
            isOwner={isOwner}
            isBusy={change.isPending}
            onClose={() => setChanging(null)}
            onChange={(role) => changing && change.mutate({ ...changing, role })}
          />
          <Remove
            member={removing?.member ?? null}
            isMe={isSameAddress(removing?.member.address ?? '', me)}
            isBusy={change.isPending}
            onClose={() => setRemoving(null)}
            onRemove={() => removing && change.mutate({ ...removing, role: null })}
          />
        </Stack>
      )}
    </Loaded>
  )
}

interface Removal {
  /** null: none was chosen */
  readonly member: MemberView | null
  readonly isMe: boolean
  readonly isBusy: boolean
  readonly onClose: () => void
  readonly onRemove: () => void
}

function Remove({ member, isMe, isBusy, onClose, onRemove }: Removal) {
  return (
    <Confirm
      isOpen={member !== null}
      onClose={onClose}
      title={isMe ? 'Leave this account?' : 'Remove this wallet?'}
      action={isMe ? 'Leave' : 'Remove'}
      isBusy={isBusy}
      onConfirm={onRemove}
    >
      <Code>{member?.address}</Code>
      {isMe
        ? ', with which you are signed in, may do nothing here any more, and you are signed out everywhere. Only a new invitation brings it back.'
        : ' may do nothing here any more, and its sessions end.'}
      {member?.role === 'owner' &&
        ' It is an owner, so this takes two days, and any owner may take it back until then.'}
    </Confirm>
  )
}

function Wallet({ member: { address, chainId }, isMe }: { member: MemberView; isMe: boolean }) {
  return (
    <Stack gap={2}>
      <Text size="sm" ff="monospace" title={address}>
        {shortAddress(address)}
      </Text>
      {chainId !== null && (
        <Text size="xs" c="dimmed">
          contract on chain {chainId}
        </Text>
      )}
      {isMe && (
        <Badge variant="outline" color="gray" tt="none" style={{ color: 'inherit' }}>
          you
        </Badge>
      )}
    </Stack>
  )
}

interface ButtonsShown {
  readonly member: MemberView
  readonly isMe: boolean
  readonly mayChange: boolean
  readonly onChange: () => void
  readonly onRemove: () => void
}

/** Everybody may leave. */
function Buttons({ member: { address }, isMe, mayChange, onChange, onRemove }: ButtonsShown) {
  return (
    <Group gap="xs">
      {mayChange && (
        <Button size="compact-sm" variant="default" aria-label={`Change the role of ${address}`} onClick={onChange}>
          Role
        </Button>
      )}
      {(mayChange || isMe) && (
        <Button
          size="compact-sm"
          variant="default"
          aria-label={isMe ? 'Leave this account' : `Remove ${address}`}
          onClick={onRemove}
        >
          {isMe ? 'Leave' : 'Remove'}
        </Button>
      )}
    </Group>
  )
}

interface Waiting {
  readonly member: MemberView
  readonly mayTakeBack: boolean
  readonly onTakeBack: () => void
}

function Waits({ member: { address, pending }, mayTakeBack, onTakeBack }: Waiting) {
  if (pending === null) return <>–</>
  return (
    <Stack gap={4} align="flex-start">
      <Text size="sm">
        {pending.role === null ? 'is removed' : `becomes ${pending.role}`} on <When at={pending.effectiveAt} />, asked
        by {shortAddress(pending.requestedBy)}
      </Text>
      {mayTakeBack && (
        <Button
          size="compact-sm"
          variant="default"
          aria-label={`Take back the change of ${address}`}
          onClick={onTakeBack}
        >
          Take back
        </Button>
      )}
    </Stack>
  )
}

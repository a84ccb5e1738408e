// Invitations: made with a role, shown once as a link, taken back until they are used.
import { Alert, Button, Code, CopyButton, Group, Select, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { MemberRole } from '../../../../protocol/auth.ts'
import type { InvitationView } from '../../../../protocol/members.ts'
import { api, done, read } from '../../data/api.ts'
import { useAction } from '../../data/use-action.ts'
import { Records } from '../../ui/records.tsx'
import { Loaded } from '../../ui/state.tsx'
import { When } from '../../ui/when.tsx'
import { roleChoices } from './roles.ts'

const KEY = ['invitations'] as const
const NOTE_MAX = 80

export function Invitations({ isOwner }: { isOwner: boolean }) {
  const [role, setRole] = useState<MemberRole>('member')
  const [note, setNote] = useState('')
  const invitations = useQuery({ queryKey: KEY, queryFn: () => read(api.api.account.invitations.$get()) })
  const invite = useAction({
    run: () => read(api.api.account.invitations.$post({ json: { role, note } })),
    changes: [KEY],
    then: () => setNote(''),
  })
  const takeBack = useAction({
    run: ({ id }: InvitationView) => done(api.api.account.invitations[':id'].$delete({ param: { id } })),
    changes: [KEY],
    say: () => 'The invitation is taken back. Its link lets nobody in.',
  })
  const link = invite.data && `${window.location.origin}/join#${invite.data.code}`
  return (
    <Stack gap="sm">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          invite.mutate(undefined)
        }}
      >
        <Group align="flex-end" gap="xs">
          <Select
            label="Role"
            style={{ flex: '1 1 22rem' }}
            maw={480}
            data={roleChoices(isOwner)}
            value={role}
            allowDeselect={false}
            onChange={(value) => value !== null && setRole(value)}
          />
          <TextInput
            label="Note for yourself"
            value={note}
            maxLength={NOTE_MAX}
            onChange={({ currentTarget: { value } }) => setNote(value)}
          />
          <Button type="submit" loading={invite.isPending}>
            Invite
          </Button>
        </Group>
      </form>
      {link !== undefined && (
        <Alert color="blue" variant="outline" title="This link is shown only now" role="status">
          <Stack gap="xs" align="flex-start">
            <Code style={{ overflowWrap: 'anywhere' }}>{link}</Code>
            <CopyButton value={link}>
              {({ copied, copy }) => (
                <Button size="xs" variant="default" onClick={copy}>
                  {copied ? 'Copied' : 'Copy the link'}
                </Button>
              )}
            </CopyButton>
            <Text size="sm">Whoever opens it first, with a wallet that has no account, comes in.</Text>
          </Stack>
        </Alert>
      )}
      <Loaded query={invitations} rows={1}>
        {({ data }) =>
          data.length === 0 ? (
            <Text size="sm">Nobody is invited.</Text>
          ) : (
            <Records
              caption="Invitations that wait"
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                { title: 'Role', cell: (invitation) => invitation.role },
                { title: 'Note', cell: (invitation) => <bdi>{invitation.note === '' ? '–' : invitation.note}</bdi> },
                { title: 'Made', cell: ({ createdAt }) => <When at={createdAt} /> },
                { title: 'Good until', cell: ({ expiresAt }) => <When at={expiresAt} /> },
                {
                  title: 'Change',
                  cell: (invitation) => (
                    <Button
                      size="compact-sm"
                      variant="default"
                      aria-label={`Take back the invitation as ${invitation.role}`}
                      onClick={() => takeBack.mutate(invitation)}
                    >
                      Take back
                    </Button>
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
    </Stack>
  )
}

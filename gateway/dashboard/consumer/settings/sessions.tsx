// Where the account is signed in. One's own sessions; an owner sees everybody's.
import { Badge, Button, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { SessionView } from '../../../../protocol/members.ts'
import { api, done, read } from '../../data/api.ts'
import { useAction } from '../../data/use-action.ts'
import { Records } from '../../ui/records.tsx'
import { shortAddress } from '../../ui/short.ts'
import { Loaded } from '../../ui/state.tsx'
import { When } from '../../ui/when.tsx'

const KEY = ['sessions'] as const

export function Sessions() {
  const sessions = useQuery({ queryKey: KEY, queryFn: () => read(api.api.account.sessions.$get()) })
  const end = useAction({
    run: ({ id }: SessionView) => done(api.api.account.sessions[':id'].$delete({ param: { id } })),
    changes: [KEY],
    say: () => 'That session has ended.',
  })
  const columns = [
    {
      title: 'Wallet',
      cell: ({ address }: SessionView) => (
        <Text size="sm" ff="monospace" title={address}>
          {shortAddress(address)}
        </Text>
      ),
    },
    { title: 'Signed in', cell: ({ signedInAt }: SessionView) => <When at={signedInAt} /> },
    { title: 'Ends', cell: ({ expiresAt }: SessionView) => <When at={expiresAt} /> },
    {
      title: 'Change',
      cell: (session: SessionView) =>
        session.isThis ? (
          <Badge variant="outline" color="gray" tt="none" style={{ color: 'inherit' }}>
            this browser
          </Badge>
        ) : (
          <Button
            size="compact-sm"
            variant="default"
            aria-label={`End the session of ${shortAddress(session.address)}`}
            onClick={() => end.mutate(session)}
          >
            End
          </Button>
        ),
    },
  ]
  return (
    <Loaded query={sessions} rows={2}>
      {({ data }) => <Records caption="Sessions" rows={data} keyOf={({ id }) => id} columns={columns} />}
    </Loaded>
  )
}

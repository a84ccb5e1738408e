// Where withdrawals go. A change waits two days; until then it can be taken back.
import { Alert, Button, Code, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, read } from '../../data/api.ts'
import { useAction } from '../../data/use-action.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { Loaded } from '../../ui/state.tsx'
import { When } from '../../ui/when.tsx'

const KEY = ['payout-address'] as const
const ADDRESS = /^0x[0-9a-fA-F]{40}$/

export function PayoutAddress({ isOwner }: { isOwner: boolean }) {
  const [address, setAddress] = useState('')
  /** what waited when the dialogue opened: what the change is based on */
  const [asked, setAsked] = useState<{ readonly pending: string | null } | null>(null)
  const route = api.api.account['payout-address']
  const payout = useQuery({ queryKey: KEY, queryFn: () => read(route.$get()) })
  const change = useAction({
    run: (pending: string | null) => read(route.$put({ json: { address: address.trim(), pending } })),
    changes: [KEY, ['account']],
    say: () => 'Asked for. It holds from the time that stands here.',
    then: () => {
      setAsked(null)
      setAddress('')
    },
    whenChanged: () => setAsked(null),
  })
  const takeBack = useAction({
    run: (pending: string) => read(route.$delete({ query: { pending } })),
    changes: [KEY, ['account']],
    say: () => 'Taken back. Withdrawals go where they went.',
  })
  const isWrong = address.trim() !== '' && !ADDRESS.test(address.trim())
  return (
    <Loaded query={payout} rows={2}>
      {(now) => (
        <Stack gap="sm">
          <Text size="sm">
            Now: {now.address === null ? 'to the wallets of this account' : <Code>{now.address}</Code>}
          </Text>
          {now.pending && (
            <Alert color="yellow" variant="outline" title="A change waits">
              <Stack gap="xs" align="flex-start">
                <Text size="sm">
                  From <When at={now.pending.effectiveAt} /> on, withdrawals go to <Code>{now.pending.address}</Code>.
                  If that was not you, take it back and end all sessions.
                </Text>
                <Button
                  size="xs"
                  variant="default"
                  loading={takeBack.isPending}
                  onClick={() => now.pending && takeBack.mutate(now.pending.requestedAt)}
                >
                  Take the change back
                </Button>
              </Stack>
            </Alert>
          )}
          {isOwner && (
            <form
              onSubmit={(event) => {
                event.preventDefault()
                if (ADDRESS.test(address.trim())) setAsked({ pending: now.pending?.requestedAt ?? null })
              }}
            >
              <Group align="flex-end" gap="xs">
                <TextInput
                  label="New address"
                  placeholder="0x…"
                  w={420}
                  maw="100%"
                  value={address}
                  error={isWrong ? 'An address is 0x and 40 digits or letters from a to f.' : undefined}
                  onChange={({ currentTarget: { value } }) => setAddress(value)}
                />
                <Button type="submit" variant="default" disabled={address.trim() === '' || isWrong}>
                  Change
                </Button>
              </Group>
            </form>
          )}
          <Confirm
            isOpen={asked !== null}
            onClose={() => setAsked(null)}
            title="Send withdrawals elsewhere?"
            action="Change the address"
            isBusy={change.isPending}
            onConfirm={() => asked && change.mutate(asked.pending)}
          >
            In two days, and from then on, everything that is withdrawn goes to <Code>{address.trim()}</Code>. Nobody
            can bring back what was sent to a wrong address.
          </Confirm>
        </Stack>
      )}
    </Loaded>
  )
}

// What may be done with what this account sends. Two people may change it at once: the later one is told, and sees what stands now.
import { Stack, Switch, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { PolicyView } from '../../../../protocol/disputes.ts'
import { api, read } from '../../data/api.ts'
import { useAction } from '../../data/use-action.ts'
import { Loaded } from '../../ui/state.tsx'

const KEY = ['policy'] as const

export function DataPolicy({ isManager }: { isManager: boolean }) {
  const policy = useQuery({ queryKey: KEY, queryFn: () => read(api.api.account.policy.$get()) })
  const change = useAction({
    run: (json: PolicyView) => read(api.api.account.policy.$put({ json })),
    changes: [KEY],
    say: () => 'Saved. It holds for every call from now on.',
  })
  return (
    <Loaded query={policy} rows={2}>
      {(now) => (
        <Stack gap="sm">
          <Switch
            label="Only nodes that say they keep nothing"
            description="Calls go to nobody else. There may be fewer offers, and dearer ones."
            checked={now.dataCollection === 'deny'}
            disabled={!isManager || change.isPending}
            onChange={({ currentTarget: { checked } }) =>
              change.mutate({ ...now, dataCollection: checked ? 'deny' : 'allow' })
            }
          />
          <Switch
            label="Allow audits of calls"
            description="Now and then a call is sent to a second node as well, and the answers are compared. You pay for one."
            checked={now.auditsAllowed}
            disabled={!isManager || change.isPending}
            onChange={({ currentTarget: { checked } }) => change.mutate({ ...now, auditsAllowed: checked })}
          />
          <Text size="sm" c="dimmed">
            A single call may ask for more protection than this, never for less. Souk itself keeps no prompt and no
            answer.
          </Text>
        </Stack>
      )}
    </Loaded>
  )
}

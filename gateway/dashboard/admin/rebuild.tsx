// Writes the book again from the guards, which are the truth: of one account, or of all, some accounts at a time until there are no more.
import { Button, Checkbox, Group, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { api, read } from '../data/api.ts'
import { useAction } from '../data/use-action.ts'
import { Confirm } from '../ui/confirm.tsx'

/** @param accountId absent: all accounts */
export function RebuildButton({ accountId }: { accountId?: string }) {
  const [isAsking, setIsAsking] = useState(false)
  const [isWiping, setIsWiping] = useState(false)
  const [done, setDone] = useState(0)
  const rebuild = useAction({
    run: async (wipe: boolean) => {
      let cursor: string | undefined
      let accounts = 0
      do {
        const json = accountId === undefined ? { wipe, ...(cursor !== undefined && { cursor }) } : { wipe, accountId }
        const reply = await read(api.api.admin.ledger.rebuild.$post({ json }))
        accounts += reply.accounts
        setDone(accounts)
        cursor = reply.nextCursor ?? undefined
      } while (cursor !== undefined)
      return accounts
    },
    say: (accounts) => `The book of ${accounts === 1 ? 'one account' : `${accounts} accounts`} was written again.`,
    changes: [['admin']],
  })
  return (
    <Group>
      <Button variant="default" loading={rebuild.isPending} onClick={() => setIsAsking(true)}>
        {accountId === undefined ? 'Write the whole book again' : 'Write its book again'}
      </Button>
      {rebuild.isPending && accountId === undefined && <Text aria-live="polite">{done} accounts so far</Text>}
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title={accountId === undefined ? 'Write the whole book again?' : 'Write the book of this account again?'}
        action="Write again"
        onConfirm={() => {
          setIsAsking(false)
          rebuild.mutate(isWiping)
        }}
      >
        <Stack>
          <Text>
            {accountId === undefined
              ? 'Of every account, each line is read from its guard and written into the book once more. No money moves.'
              : `Each line of account ${accountId} is read from its guard and written into the book once more. No money moves.`}
          </Text>
          <Checkbox
            label="Delete the rows first"
            description="For rows that are wrong, not only missing. Until they are written again, sums lack them."
            checked={isWiping}
            onChange={(event) => setIsWiping(event.currentTarget.checked)}
          />
        </Stack>
      </Confirm>
    </Group>
  )
}

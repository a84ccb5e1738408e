// The panic button: all keys and all sessions at once. It asks for no fresh sign-in, since who needs it may have no time.
import { Button, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { api, read } from '../../data/api.ts'
import { useAction } from '../../data/use-action.ts'
import { endSession } from '../../session/session.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { tell } from '../../ui/notice.ts'
import { quantity } from '../../ui/quantity.ts'

export function RevokeAll() {
  const [isAsking, setIsAsking] = useState(false)
  const revoke = useAction({
    run: () => endSession(() => read(api.api.account['revoke-all'].$post())),
    then: ({ keys, sessions }) => {
      tell({
        message: `Revoked: ${quantity(keys, 'keys')}. Ended: ${quantity(sessions, 'sessions')}, this one too. Sign in again to go on.`,
        isKept: true,
      })
    },
  })
  return (
    <Stack gap="sm" align="flex-start">
      <Text size="sm">
        All API keys are revoked for ever and everybody is signed out. Programs that call with these keys stop at once.
        Money, wallets and nodes stay as they are.
      </Text>
      <Button color="red" onClick={() => setIsAsking(true)}>
        Revoke keys and sessions
      </Button>
      <Confirm
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
        title="Revoke everything?"
        action="Revoke everything"
        isBusy={revoke.isPending}
        onConfirm={() => revoke.mutate(undefined)}
      >
        No key of this account works any more, and that cannot be undone: programs need new keys. You are signed out
        here and everywhere, and sign in again with your wallet.
      </Confirm>
    </Stack>
  )
}

// A session that ended while its page was open: a dialogue over the page, which stays as it was behind it, with its dialogues and what was typed, until
// the same wallet has signed in again. The page itself is covered: whoever sits there now may be somebody else.
import { Button, Modal, Stack, Text } from '@mantine/core'
import { lazy, Suspense } from 'react'
import { Loading } from '../ui/state.tsx'
import { ENDED_LAYER } from './layers.ts'
import { sessionChanged, sessionEnded } from './session.ts'

const SignInPanel = lazy(async () => ({ default: (await import('./sign-in-panel.tsx')).SignInPanel }))

const COVER = { backgroundOpacity: 1, color: 'var(--mantine-color-body)' }

export function SessionEndedDialogue() {
  return (
    <Modal
      opened={sessionEnded.use()}
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      zIndex={ENDED_LAYER}
      overlayProps={COVER}
      title="You are not signed in any more"
      centered
    >
      <Stack>
        <Text>
          Your session ran out or was ended elsewhere. The page behind this is as you left it: sign in, and go on. If
          you had just sent something, it was not done: send it again then.
        </Text>
        <Suspense fallback={<Loading rows={3} />}>
          <SignInPanel isFresh onSignedIn={() => void sessionChanged()} />
        </Suspense>
        <Button variant="default" onClick={() => void sessionChanged()}>
          Stay signed out
        </Button>
      </Stack>
    </Modal>
  )
}

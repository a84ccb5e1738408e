// Dangerous actions ask the wallet to sign again. `withFreshSignIn` runs an action; refused for that reason, it asks, and runs it once more.
import { Modal, Stack, Text } from '@mantine/core'
import { lazy, Suspense } from 'react'
import { ApiError } from '../data/api.ts'
import { held } from '../data/held.ts'
import { Loading } from '../ui/state.tsx'
import { WALLET_LAYER } from './layers.ts'

// What signs is large, and needed by few.
const SignInPanel = lazy(async () => ({ default: (await import('./sign-in-panel.tsx')).SignInPanel }))

type Answer = (isSigned: boolean) => void
const waiting = held<Answer | null>(null)

/** @throws ApiError of the action itself; fresh_sign_in_required when the owner closed the dialogue */
export async function withFreshSignIn<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'fresh_sign_in_required') throw error
    const isSigned = await new Promise<boolean>((answer) => waiting.set(answer))
    if (!isSigned) throw error
    return run()
  }
}

/** The dialogue; stands once, in main.tsx. */
export function FreshSignIn() {
  const answer = waiting.use()
  const end = (isSigned: boolean) => {
    waiting.set(null)
    answer?.(isSigned)
  }
  return (
    <Modal opened={answer !== null} onClose={() => end(false)} zIndex={WALLET_LAYER} title="Sign once more" centered>
      <Stack>
        <Text>This moves money or rights, so your wallet is asked to sign in again. Your session stays as it is.</Text>
        <Suspense fallback={<Loading rows={2} />}>
          <SignInPanel isFresh onSignedIn={() => end(true)} />
        </Suspense>
      </Stack>
    </Modal>
  )
}

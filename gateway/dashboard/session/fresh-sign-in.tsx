// Dangerous actions ask the wallet to sign again. `withFreshSignIn` runs an action; refused for that reason, it asks, and runs it once more.
import { ApiError } from '../data/api.ts'
import { held } from '../data/held.ts'
import { dialogue } from '../ui/dialogue.tsx'

const Dialogue = dialogue(async () => (await import('./fresh-sign-in-dialogue.tsx')).FreshSignInDialogue)

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

/** The dialogue; stands once, in the frame. */
export function FreshSignIn() {
  const answer = waiting.use()
  const end = (isSigned: boolean) => {
    waiting.set(null)
    answer?.(isSigned)
  }
  return <Dialogue isOpen={answer !== null} onEnd={end} />
}

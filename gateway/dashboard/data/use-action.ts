// What a button does: runs, asks the wallet again where the gateway wants that, says what came of it, and has the lists it changed read anew; also when somebody
// else was faster and nothing was done: who comes second is told, and sees what stands now.
import { useMutation, useQueryClient, type QueryKey } from '@tanstack/react-query'
import { withFreshSignIn } from '../session/fresh-sign-in.tsx'
import { hasEnded } from '../session/session.ts'
import { tell } from '../ui/notice.ts'
import { ApiError } from './api.ts'
import { messageOf, wordsOf } from './message-of.ts'

interface Action<Input, Output> {
  readonly run: (input: Input) => Promise<Output>
  /** what is said when it went well; null: nothing */
  readonly say?: (output: Output, input: Input) => string | null
  /** query keys that are out of date now */
  readonly changes?: readonly QueryKey[]
  readonly then?: (output: Output, input: Input) => void
  /** somebody else was faster: nothing was done, and what stands now is read again. Closes what still shows what stood before */
  readonly whenChanged?: () => void
}

export function useAction<Input, Output>({ run, say, changes = [], then, whenChanged }: Action<Input, Output>) {
  const client = useQueryClient()
  const readAnew = () => Promise.all(changes.map((queryKey) => client.invalidateQueries({ queryKey })))
  return useMutation({
    mutationFn: (input: Input) => withFreshSignIn(() => run(input)),
    onSuccess: async (output, input) => {
      const text = say?.(output, input) ?? null
      if (text !== null) tell({ message: text, color: 'teal' })
      await readAnew()
      then?.(output, input)
    },
    onError: async (error) => {
      // The dialogue that stands there now says it.
      if (await hasEnded()) return
      const words = { message: messageOf(error), sameAs: wordsOf(error) }
      tell({ title: 'That did not work', ...words, color: 'red', isKept: true })
      if (!(error instanceof ApiError && error.code === 'changed_meanwhile')) return
      await readAnew()
      whenChanged?.()
    },
  })
}

// What of a request an engine honours (rule): callers who require a field are sent to whoever says that it does. Said conservatively: a field that a server might drop in
// silence is not said, since a refusal costs a moment and a wrong answer costs trust.
import type { Task } from '../../protocol/model.ts'
import type { Parameter } from '../../protocol/routing.ts'

export interface Honours {
  readonly parameters: readonly Parameter[]
  /** text goes on from what another node has delivered */
  readonly continues: boolean
}

/** Tensors have no such fields. */
export const HONOURS_NOTHING: Honours = { parameters: [], continues: false }

/** Shortening is done in this program, whatever computes; a model whose vectors cannot be shortened refuses by name. */
export const HONOURS_OF_VECTORS: Honours = { parameters: ['dimensions'], continues: false }

/** Text that is computed here. @param hasEveryByte the model can say any text, so it can be held to JSON */
export const honoursOfText = (hasEveryByte: boolean): Honours => ({
  parameters: [
    'temperature',
    'top_p',
    'top_k',
    'seed',
    'stop',
    'n',
    'logprobs',
    'top_logprobs',
    ...(hasEveryByte ? (['response_format'] as const) : []),
  ],
  continues: true,
})

/** What every engine for this task honours, whichever it is. Null: for text that depends on what computes it. */
export const honoursOfTask = (task: Task): Honours | null => {
  if (task === 'chat') return null
  return task === 'embeddings' ? HONOURS_OF_VECTORS : HONOURS_NOTHING
}

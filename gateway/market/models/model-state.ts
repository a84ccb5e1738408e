// What a model's state means and who may change it (rule). Its author deprecates and withdraws; the house blocks, and alone lifts a block, so that an
// author's word never undoes it. Also the sentences about a state that callers and operators read, so that every page says the same.
import type { Task } from '../../../protocol/model.ts'
import type { ModelState, ModelStateRequest } from '../../../protocol/publish.ts'

export interface Standing {
  readonly state: ModelState
  /** in words, for callers and operators */
  readonly reason: string | null
  /** id of the model to use instead */
  readonly replacedBy: string | null
}

/** May it be called and offered? */
export const isServed = ({ state }: Pick<Standing, 'state'>): boolean => state === 'active' || state === 'deprecated'

export interface StateRefusal {
  readonly ok: false
  readonly code: 'forbidden' | 'invalid_request' | 'model_not_found'
  readonly param?: string
  readonly detail?: string
}

interface Known {
  readonly id: string
  readonly task: Task
  readonly state: ModelState
}

/** @param replacement the model that is to be used instead, when one is named and there is one */
export function changeState(
  model: Known,
  request: ModelStateRequest,
  by: { readonly isAuthor: boolean; readonly isAdmin: boolean },
  replacement: Known | null,
): { readonly ok: true; readonly value: Standing } | StateRefusal {
  const isOfTheHouse = request.state === 'blocked' || model.state === 'blocked'
  if (isOfTheHouse && !by.isAdmin) return forbidden('Only the house blocks a model, and lifts a block.')
  if (!isOfTheHouse && !by.isAuthor) return forbidden('Only its author may do that.')
  const { state, reason = null, replacedBy } = request
  if (state === 'blocked' && reason === null) return wrong('reason', 'A block has a reason.')
  if (replacedBy === undefined)
    return { ok: true, value: { state, reason: state === 'active' ? null : reason, replacedBy: null } }
  if (state === 'active' || state === 'blocked')
    return wrong('replacedBy', 'Only a model that is deprecated or withdrawn is replaced.')
  if (replacement === null) return { ok: false, code: 'model_not_found', param: 'replacedBy' }
  if (replacement.id === model.id) return wrong('replacedBy', 'No model replaces itself.')
  if (replacement.task !== model.task)
    return wrong('replacedBy', `It does ${replacement.task}, and this model ${model.task}.`)
  // Whoever follows the hint must arrive, and two models never point at each other.
  if (replacement.state !== 'active') return wrong('replacedBy', `It is ${replacement.state} itself.`)
  return { ok: true, value: { state, reason, replacedBy } }
}

/** Why an offer of it gets no traffic; null while it may. */
export function pauseReason(model: Standing): string | null {
  if (isServed(model)) return null
  return sentences(model.state === 'blocked' ? 'Its model is blocked.' : 'Its author has withdrawn its model.', model)
}

/** What operators and callers should know of it; null when there is nothing. @example 'maker/chat is deprecated. Too small. Use maker/chat-v2.' */
export function noticeOf(model: Standing & { readonly id: string }): string | null {
  return model.state === 'active' ? null : sentences(`${model.id} is ${model.state}.`, model)
}

/** Its reason and what to use instead, behind a sentence that says its state; empty when there is neither. */
export function stateDetail({ reason, replacedBy }: Standing): string {
  const because = reason === null ? [] : [/[.!?]$/.test(reason) ? reason : `${reason}.`]
  return [...because, ...(replacedBy === null ? [] : [`Use ${replacedBy}.`])].join(' ')
}

const sentences = (first: string, model: Standing): string => [first, stateDetail(model)].join(' ').trimEnd()

const forbidden = (detail: string): StateRefusal => ({ ok: false, code: 'forbidden', detail })
const wrong = (param: string, detail: string): StateRefusal => ({ ok: false, code: 'invalid_request', param, detail })

// Who may go on with an answer of which a part has reached its caller, and how (rule). Continuing is cheap and needs an engine that can; beginning
// anew needs an answer that repeats itself, since its output must be what was delivered, to the letter. Everything else is an honest error.
import { tokens } from '../../../protocol/units.ts'
import type { Offer } from '../../market/market-port.ts'
import type { Candidate } from '../order/order.ts'
import type { DeliveredChoice } from './delivered.ts'

/** What a text request is, as far as it decides who can go on with its answer. */
export interface TextTraits {
  readonly choices: number
  readonly hasLogprobs: boolean
  /** `response_format: json_object` */
  readonly isJson: boolean
  /** the likeliest token each time: temperature 0, or none, which nodes take for 0 */
  readonly isGreedy: boolean
  /** the caller gave one itself */
  readonly hasSeed: boolean
}

export type How = 'continue' | 'restart'

/** What another node is asked to go on with. */
export interface Resumed {
  readonly how: How
  readonly choices: readonly DeliveredChoice[]
  /** our count of what was delivered, of all choices */
  readonly tokens: number
  /** the same in UTF-8 bytes */
  readonly bytes: number
}

export interface ResumeInput {
  readonly traits: TextTraits
  /** null: too long to be remembered */
  readonly choices: readonly DeliveredChoice[] | null
  readonly tokens: number
  /** that delivered, in their order, each with how it came to it; at least one */
  readonly deliverers: readonly { readonly candidate: Candidate; readonly how: How | null }[]
  readonly candidate: Candidate
}

/** In the order in which they are to be tried. Empty: this candidate cannot go on. @example a greedy answer, an offer that continues // ['continue', 'restart'] */
export function waysToResume(input: ResumeInput): How[] {
  const { choices, deliverers, candidate } = input
  if (!choices || deliverers.some(({ candidate: { model } }) => model.id !== candidate.model.id)) return []
  const ways: How[] = []
  if (mayContinue(input, choices)) ways.push('continue')
  if (isRepeatable(input)) ways.push('restart')
  return ways
}

const encoder = new TextEncoder()

export const deliveredBytes = (choices: readonly DeliveredChoice[]): number =>
  choices.reduce((sum, { text }) => sum + encoder.encode(text).byteLength, 0)

/** The candidate as its ticket orders it: who continues reads more, and owes only the rest. */
export function orderedOf(candidate: Candidate, resumed: Resumed | null): Candidate {
  if (resumed?.how !== 'continue') return candidate
  const { model, most } = candidate
  const read = Math.ceil(resumed.bytes / model.manifest.bytesPerTokenMin)
  const inputTokens = tokens(Number(most.inputTokens) + read)
  const outputTokens = tokens(Math.max(1, Number(most.outputTokens) - resumed.tokens))
  return { ...candidate, most: { ...most, inputTokens, outputTokens } }
}

function mayContinue({ traits, tokens, candidate: { offer, most } }: ResumeInput, choices: readonly DeliveredChoice[]) {
  const [only] = choices
  if (!offer.continues || !only || choices.length > 1 || traits.hasLogprobs) return false
  // A server that another one stands behind begins its JSON anew, whatever it is to go on from; our own engine does not.
  if (traits.isJson && offer.assurance !== 'pinned') return false
  // Half a character cannot be told to anybody, and after the last token ordered there is nothing to say.
  return only.text !== '' && !/[\ud800-\udbff]$/.test(only.text) && tokens < Number(most.outputTokens)
}

/**
 * Whether the same text can be expected. A drawn answer repeats itself by its seed where both engines honour it; one that was continued
 * has drawn from the middle on, which nobody repeats from the beginning.
 */
function isRepeatable({ traits, deliverers, candidate }: ResumeInput): boolean {
  if (traits.isGreedy) return true
  const isSeeded = ({ parameters }: Offer) => parameters?.has('seed') ?? false
  const isOfOneDraw = deliverers.every(({ candidate: { offer }, how }) => isSeeded(offer) && how !== 'continue')
  return isOfOneDraw && isSeeded(candidate.offer)
}

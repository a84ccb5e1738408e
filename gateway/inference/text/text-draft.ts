// What chat and completions order alike: how many tokens at most, and the caller's own parameters as they go on to the node.
import type { ChatRequest, CompletionRequest } from '../../../protocol/openai.ts'
import { tokens, type Tokens } from '../../../protocol/units.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Model, Offer } from '../../market/market-port.ts'
import type { BodyExtras, OrderDraft } from '../order/order.ts'
import { outputBound } from '../order/quote.ts'
import { parametersInUse, shapeOf, type Fields } from '../order/request-traits.ts'
import type { TextAsked } from './choices.ts'

/** A draft whose answer is text: of so many choices, each with so many tokens at most. */
export interface TextDraft extends OrderDraft, TextAsked {
  readonly choices: number
}

interface TextBounds extends TextAsked {
  readonly stream: boolean
  /** tokens asked for of each choice */
  readonly asked: number | null | undefined
  /** nodes of a quorum, whose answers are all collected; absent: no quorum */
  readonly jurors?: number | undefined
}

/** Tokens of one choice at most. Who does not stream gets no more log probabilities than can be collected: its answer ends before, as `length`. */
export function choiceBound({ stream, choices, logprobs, asked, jurors }: TextBounds, model: Model): number {
  const bound = Number(outputBound(asked, model))
  if ((stream && jurors === undefined) || logprobs === null) return bound
  return Math.min(bound, Math.floor(LIMITS.collectedChances / ((jurors ?? 1) * choices * (1 + logprobs))))
}

/** Tokens of all choices at most: what is held, and what the ticket allows. */
export const textBound = (bounds: TextBounds, model: Model): Tokens =>
  tokens(bounds.choices * choiceBound(bounds, model))

/** What a node is told beside the prompt. It always streams, and `max_tokens` is that of one choice. */
export function nodeParameters(
  request: ChatRequest | CompletionRequest,
  bounds: TextBounds,
  model: Model,
  offer: Offer,
  extras: BodyExtras,
): Record<string, unknown> {
  const { temperature, top_p, top_k, n, logprobs } = request
  const seed = request.seed ?? extras.seed
  const stop = typeof request.stop === 'string' ? [request.stop] : request.stop
  return {
    stream: true,
    // Of who goes on, what is left: the sum stays what was ordered.
    max_tokens: Math.min(choiceBound(bounds, model) - (extras.prefix?.tokens ?? 0), offer.outputTokensMax),
    ...given({ temperature, top_p, top_k, seed, stop, n, logprobs }),
  }
}

/** Who may serve it, and what is told of it: read of a request's fields alone. @param parts messages or prompts */
export function textTraits(
  request: ChatRequest | CompletionRequest,
  fields: Fields,
  parts: number,
): Pick<OrderDraft, 'preferences' | 'parameters' | 'fallbackModels' | 'shape'> {
  const asked = 'max_completion_tokens' in request ? request.max_completion_tokens : null
  return {
    preferences: request.provider ?? null,
    fallbackModels: request.models ?? [],
    parameters: parametersInUse(fields),
    shape: shapeOf(fields, parts, asked ?? request.max_tokens),
  }
}

/** Without what the caller left out: the node's own defaults hold there. */
export const given = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null))

// How a text surface words an answer: the chunks of a stream, and the whole reply. What all surfaces say alike stands here: whose answer it is,
// what it cost, who gave it, and the proof.
import type { PricedUsage, SoukTrailer } from '../../../protocol/openai.ts'
import { toUsd, type ModelId } from '../../../protocol/units.ts'
import type { Order } from '../order/order.ts'
import type { CapturedCall } from '../settle/settle.ts'
import type { ChoiceEnd, TextPiece } from './choices.ts'
import type { TextAnswer, WholeTextAnswer } from './text.ts'

export interface TextWords<Chunk extends object = object, Whole extends object = object> {
  /** @param isFirst of its choice */
  piece(piece: TextPiece, isFirst: boolean, modelId: ModelId): Chunk
  finish(end: ChoiceEnd, modelId: ModelId): Chunk
  /** a chunk without choices */
  empty(modelId: ModelId): Chunk
  whole(call: CapturedCall<WholeTextAnswer>): Whole
}

/**
 * The last chunks of a stream: the end of every choice, told only now that the call is captured, so that a cut answer never looks whole.
 * Callers that asked for `include_usage` sum or wait for the chunk without choices, so usage stands there and only there; for all others it
 * stands in the last finish chunk.
 * @param begun choices of which the caller has a piece; the others get an empty one, for what only a first piece says
 */
export function lastChunks(
  words: TextWords,
  order: Order,
  call: CapturedCall<TextAnswer>,
  begun: ReadonlySet<number>,
  includeUsage: boolean,
): object[] {
  const { answer, modelId } = call
  const { ends } = answer
  const mute = ends.map(({ rest }) => rest).filter(({ choice }) => !begun.has(choice))
  const chunks = [
    ...mute.map((rest) => words.piece({ ...rest, text: '', logprobs: rest.logprobs && [] }, true, modelId)),
    ...ends.map((end) => words.finish(end, modelId)),
    ...(includeUsage ? [words.empty(modelId)] : []),
  ]
  return [...chunks.slice(0, -1), { ...chunks.at(-1), ...costAndProof(order, call) }]
}

/** What every answer says besides its text. */
export const costAndProof = (order: Order, call: CapturedCall<unknown>) => ({
  usage: pricedUsage(call),
  provider: call.offer.nodeId,
  souk: trailer(order, call),
})

export function trailer(order: Order, { offer, receipt, salt, parts }: CapturedCall<unknown>): SoukTrailer {
  const isSeedOurs = order.text?.hasSeed === false && offer.parameters?.has('seed')
  const told = parts.map(({ nodeId, outputTokens, characters }) => ({ node: nodeId, outputTokens, characters }))
  return {
    callId: order.callId,
    node: offer.nodeId,
    receipt,
    salt,
    ...(isSeedOurs && { seed: order.seed }),
    ...(told.length > 1 && { parts: told }),
  }
}

function pricedUsage({ units, chargeNanos }: CapturedCall<unknown>): PricedUsage {
  const input = Number(units.inputTokens)
  const output = Number(units.outputTokens)
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output, cost: toUsd(chargeNanos) }
}

export const identity = (order: Order, modelId: ModelId) => ({
  id: order.callId,
  created: Math.floor(order.startedAt / 1000),
  model: modelId,
})

// What a chat caller gets: OpenAI's chunks and completion, with the exact cost, the node and the proof in the last one.
import type { ChatChunk, ChatCompletion, PricedUsage, SoukTrailer } from '../../protocol/openai.ts'
import { toUsd } from '../../protocol/units.ts'
import type { CapturedCall } from './call.ts'
import type { ChatAnswer, WholeChatAnswer } from './chat.ts'
import type { Order } from './order.ts'

/** @param isFirst OpenAI's first delta also says who speaks */
export function deltaChunk(order: Order, content: string, isFirst: boolean): ChatChunk {
  return chunk(order, [
    { index: 0, delta: isFirst ? { role: 'assistant', content } : { content }, finish_reason: null },
  ])
}

/**
 * The last chunks. Callers that asked for `include_usage` sum or wait for the chunk without choices, so usage stands there and only there;
 * for all others it stands in the finish chunk.
 */
export function finalChunks(order: Order, call: CapturedCall<ChatAnswer>, includeUsage: boolean): ChatChunk[] {
  const finish = chunk(order, [{ index: 0, delta: {}, finish_reason: call.answer.finishReason }])
  const last = { usage: pricedUsage(call), provider: call.offer.nodeId, souk: trailer(order, call) }
  return includeUsage ? [finish, { ...chunk(order, []), ...last }] : [{ ...finish, ...last }]
}

export function completion(order: Order, call: CapturedCall<WholeChatAnswer>): ChatCompletion {
  const { content, finishReason } = call.answer
  return {
    ...identity(order),
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: finishReason, logprobs: null }],
    usage: pricedUsage(call),
    provider: call.offer.nodeId,
    souk: trailer(order, call),
  }
}

export function trailer(order: Order, call: CapturedCall<unknown>): SoukTrailer {
  return { callId: order.callId, node: call.offer.nodeId, receipt: call.receipt, salt: call.salt }
}

function pricedUsage({ units, chargeNanos }: CapturedCall<unknown>): PricedUsage {
  const input = Number(units.inputTokens)
  const output = Number(units.outputTokens)
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output, cost: toUsd(chargeNanos) }
}

const identity = (order: Order) => ({
  id: order.callId,
  created: Math.floor(order.startedAt / 1000),
  model: order.model.id,
})

const chunk = (order: Order, choices: ChatChunk['choices']): ChatChunk => ({
  ...identity(order),
  object: 'chat.completion.chunk',
  choices,
})

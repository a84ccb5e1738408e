// What a chat caller gets: OpenAI's chunks and completion, with the exact cost, the node and the proof in the last one.
import type { ChatChunk, ChatCompletion, TokenLogprob } from '../../../protocol/openai.ts'
import type { ModelId } from '../../../protocol/units.ts'
import type { Order } from '../order/order.ts'
import type { TextPiece } from '../text/choices.ts'
import { costAndProof, identity, type TextWords } from '../text/text-words.ts'

export function chatWords(order: Order): TextWords<ChatChunk, ChatCompletion> {
  const chunk = (modelId: ModelId, choices: ChatChunk['choices']): ChatChunk => ({
    ...identity(order, modelId),
    object: 'chat.completion.chunk',
    choices,
  })
  return {
    // OpenAI's first delta of a choice also says who speaks.
    piece: (piece, isFirst, modelId) => {
      const delta = isFirst ? { role: 'assistant' as const, content: piece.text } : { content: piece.text }
      return chunk(modelId, [{ index: piece.choice, delta, ...ofPiece(piece), finish_reason: null }])
    },
    finish: ({ finishReason, rest }, modelId) =>
      chunk(modelId, [
        { index: rest.choice, delta: {}, ...(rest.logprobs?.length ? ofPiece(rest) : {}), finish_reason: finishReason },
      ]),
    empty: (modelId) => chunk(modelId, []),
    whole: (call) => ({
      ...identity(order, call.modelId),
      object: 'chat.completion',
      choices: call.answer.choices.map(({ text, logprobs, finishReason }, index) => ({
        index,
        message: { role: 'assistant', content: text },
        finish_reason: finishReason,
        logprobs: logprobs && chances(logprobs),
      })),
      ...costAndProof(order, call),
    }),
  }
}

const chances = (logprobs: readonly TokenLogprob[]) => ({ content: [...logprobs], refusal: null })

const ofPiece = ({ logprobs }: TextPiece) => (logprobs === null ? {} : { logprobs: chances(logprobs) })

// What a caller of the older surface gets: OpenAI's text completions, streamed and whole alike, with log probabilities in their older form.
import type { Completion, TokenLogprob } from '../../../protocol/openai.ts'
import type { ModelId } from '../../../protocol/units.ts'
import type { Order } from '../order/order.ts'
import type { TextAsked } from '../text/choices.ts'
import { costAndProof, identity, type TextWords } from '../text/text-words.ts'
import { offsetsOf, tokenName } from '../text/token-characters.ts'

type Logprobs = Completion['choices'][number]['logprobs']

export function completionWords(order: Order, asked: TextAsked): TextWords<Completion, Completion> {
  const reply = (modelId: ModelId, choices: Completion['choices']): Completion => ({
    ...identity(order, modelId),
    object: 'text_completion',
    choices,
  })
  const chances = (tokens: readonly TokenLogprob[] | null, offset: number): Logprobs =>
    tokens && olderForm(tokens, offset, asked.logprobs ?? 0)
  return {
    piece: ({ choice, text, logprobs, offset }, _isFirst, modelId) =>
      reply(modelId, [{ index: choice, text, logprobs: chances(logprobs, offset), finish_reason: null }]),
    finish: ({ finishReason, rest: { choice, logprobs, offset } }, modelId) => {
      const rest = logprobs?.length ? chances(logprobs, offset) : null
      return reply(modelId, [{ index: choice, text: '', logprobs: rest, finish_reason: finishReason }])
    },
    empty: (modelId) => reply(modelId, []),
    whole: (call) => ({
      ...reply(
        call.modelId,
        call.answer.choices.map(({ text, logprobs, finishReason }, index) => ({
          index,
          text,
          logprobs: chances(logprobs, 0),
          finish_reason: finishReason,
        })),
      ),
      ...costAndProof(order, call),
    }),
  }
}

/**
 * Lists side by side instead of a list of tokens. `top_logprobs` names the token itself beside the alternatives, as OpenAI does, and is null
 * when none were asked for; `text_offset` counts characters of the choice's own text.
 */
function olderForm(tokens: readonly TokenLogprob[], offset: number, alternatives: number): NonNullable<Logprobs> {
  return {
    tokens: tokens.map(tokenName),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: alternatives === 0 ? null : tokens.map(chancesByName),
    text_offset: offsetsOf(tokens, offset),
  }
}

const chancesByName = (token: TokenLogprob): Record<string, number> =>
  Object.fromEntries([...token.top_logprobs, token].map((each) => [tokenName(each), each.logprob]))

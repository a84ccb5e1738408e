// Chat: what a request orders, and the body a node gets for it.
import type { ChatRequest } from '../../../protocol/openai.ts'
import { NODE_PATHS } from '../../../protocol/node.ts'
import { GatewayError } from '../../core/errors.ts'
import { inputBound, leastTokens, lengthBound, utf8Bytes } from '../order/quote.ts'
import { choiceBound, given, nodeParameters, textBound, textTraits, type TextDraft } from '../text/text-draft.ts'

/**
 * What a chat request orders. The prompt's bytes are those of the messages' JSON: an upper bound whatever the template does.
 * @throws GatewayError invalid_request for alternatives to log probabilities that were not asked for
 */
export function chatDraft(request: ChatRequest): TextDraft {
  const { top_logprobs, response_format } = request
  if (top_logprobs && !request.logprobs) {
    const detail = 'top_logprobs: only together with "logprobs": true'
    throw new GatewayError('invalid_request', { param: 'top_logprobs', detail })
  }
  const messages = request.messages.map(({ role, content }) => ({
    role: role === 'developer' ? 'system' : role,
    content,
  }))
  const bytes = utf8Bytes(JSON.stringify(messages))
  const words = messages.reduce((sum, { content }) => sum + utf8Bytes(content), 0)
  const bounds = {
    stream: request.stream ?? false,
    choices: request.n ?? 1,
    logprobs: request.logprobs ? (top_logprobs ?? 0) : null,
    asked: request.max_completion_tokens ?? request.max_tokens,
    jurors: request.provider?.quorum?.n,
  }
  return {
    task: 'chat',
    path: NODE_PATHS.chat,
    stream: bounds.stream,
    choices: bounds.choices,
    logprobs: bounds.logprobs,
    most: (model) => ({
      inputTokens: inputBound(bytes, messages.length, model),
      outputTokens: textBound(bounds, model),
    }),
    leastTokens: leastTokens(words),
    ...textTraits(request, request, messages.length),
    longestTokens: (model) => lengthBound(bytes, messages.length, model) + BigInt(choiceBound(bounds, model)),
    text: {
      choices: bounds.choices,
      hasLogprobs: bounds.logprobs !== null,
      isJson: response_format?.type === 'json_object',
      isGreedy: (request.temperature ?? 0) === 0,
      hasSeed: typeof request.seed === 'number',
    },
    bodyFor: (model, offer, extras) =>
      JSON.stringify({
        model: model.id,
        ...(extras.prefix
          ? {
              messages: [...messages, { role: 'assistant', content: extras.prefix.text }],
              continue_final_message: true,
            }
          : { messages }),
        ...nodeParameters(request, bounds, model, offer, extras),
        ...given({ top_logprobs, response_format }),
      }),
  }
}

// Completions, the older surface: what a request orders, and the body a node gets for it. The text goes on as it is, without a template.
import type { CompletionRequest } from '../../../protocol/openai.ts'
import { NODE_PATHS } from '../../../protocol/node.ts'
import { leastTokens, lengthBound, promptsBound, utf8Bytes } from '../order/quote.ts'
import { choiceBound, nodeParameters, textBound, textTraits, type TextDraft } from '../text/text-draft.ts'

/** OpenAI's default, which clients of this surface rely on */
const OUTPUT_TOKENS = 16

/** Every prompt has its own choices, in OpenAI's order: choice k of prompt p is number p × n + k. The prompts' bytes are those of their JSON. */
export function completionDraft(request: CompletionRequest): TextDraft {
  const prompts = typeof request.prompt === 'string' ? [request.prompt] : request.prompt
  const bytes = prompts.map((prompt) => utf8Bytes(JSON.stringify(prompt)))
  const bounds = {
    stream: request.stream ?? false,
    choices: prompts.length * (request.n ?? 1),
    logprobs: request.logprobs ?? null,
    asked: request.max_tokens ?? OUTPUT_TOKENS,
    jurors: request.provider?.quorum?.n,
  }
  return {
    task: 'chat',
    path: NODE_PATHS.completions,
    stream: bounds.stream,
    choices: bounds.choices,
    logprobs: bounds.logprobs,
    most: (model) => ({ inputTokens: promptsBound(bytes, model), outputTokens: textBound(bounds, model) }),
    leastTokens: leastTokens(Math.max(...prompts.map(utf8Bytes))),
    ...textTraits(request, request, prompts.length),
    longestTokens: (model) => lengthBound(Math.max(...bytes), 0, model) + BigInt(choiceBound(bounds, model)),
    text: {
      choices: bounds.choices,
      hasLogprobs: bounds.logprobs !== null,
      isJson: false,
      isGreedy: (request.temperature ?? 0) === 0,
      hasSeed: typeof request.seed === 'number',
    },
    bodyFor: (model, offer, extras) =>
      JSON.stringify({
        model: model.id,
        prompt: request.prompt,
        ...(extras.prefix && { continue_text: extras.prefix.text }),
        ...nodeParameters(request, bounds, model, offer, extras),
      }),
  }
}

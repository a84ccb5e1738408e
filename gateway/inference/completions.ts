// Completions, the older surface: what a request orders, and the body a node gets for it. The text goes on as it is, without a template.
import type { CompletionRequest } from '../../protocol/openai.ts'
import { NODE_PATHS } from '../../protocol/node.ts'
import { choiceBound, nodeParameters, textBound, type TextDraft } from './text-draft.ts'
import { lengthBound, promptsBound } from './quote.ts'

/** OpenAI's default, which clients of this surface rely on */
const OUTPUT_TOKENS = 16

/** Every prompt has its own choices, in OpenAI's order: choice k of prompt p is number p × n + k. The prompts' bytes are those of their JSON. */
export function completionDraft(request: CompletionRequest): TextDraft {
  const prompts = typeof request.prompt === 'string' ? [request.prompt] : request.prompt
  const bytes = prompts.map((prompt) => new TextEncoder().encode(JSON.stringify(prompt)).byteLength)
  const bounds = {
    stream: request.stream ?? false,
    choices: prompts.length * (request.n ?? 1),
    logprobs: request.logprobs ?? null,
    asked: request.max_tokens ?? OUTPUT_TOKENS,
  }
  return {
    task: 'chat',
    path: NODE_PATHS.completions,
    stream: bounds.stream,
    choices: bounds.choices,
    logprobs: bounds.logprobs,
    most: (model) => ({ inputTokens: promptsBound(bytes, model), outputTokens: textBound(bounds, model) }),
    longestTokens: (model) => lengthBound(Math.max(...bytes), 0, model) + BigInt(choiceBound(bounds, model)),
    bodyFor: (model, offer, extras) =>
      JSON.stringify({
        model: model.id,
        prompt: request.prompt,
        ...nodeParameters(request, bounds, model, offer, extras),
      }),
  }
}

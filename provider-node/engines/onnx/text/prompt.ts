// The tokens a job begins with: its dialogue by the template, or its text as it is, then the part of the answer that was delivered before.
import type { ModelManifest } from '../../../../protocol/model.ts'
import type { Prompt, TextJob } from '../../engine.ts'
import { JsonMask } from '../../json-mask.ts'
import { surelyTooLong } from './chatml.ts'
import type { ChatTemplate } from './template.ts'
import type { ModelTokenizer } from './tokenizer.ts'

export type PromptTokens =
  | { readonly tokens: readonly number[] }
  /** no room for a single token of an answer */
  | { readonly tooLong: true }
  /** `message` is a fixed sentence that quotes nothing */
  | PromptRefusal

interface PromptRefusal {
  readonly refused: 'bad_request' | 'unsupported_parameter'
  readonly message: string
}

export function promptTokens(
  job: TextJob,
  tokenizer: ModelTokenizer,
  { contextTokens }: Pick<ModelManifest, 'contextTokens'>,
  template: ChatTemplate,
): PromptTokens {
  const { prompt, prefix } = job
  const texts = [prefix, ...(prompt.kind === 'text' ? [prompt.text] : prompt.messages.map(({ content }) => content))]
  if (surelyTooLong(texts, tokenizer, contextTokens)) return { tooLong: true }
  const refusal = job.isJson ? jsonRefusal(prefix, tokenizer) : null
  if (refusal) return refusal
  const begun = beginningOf(prompt, tokenizer, template)
  if ('refused' in begun) return begun
  // On its own, as the tokens of an answer are: they never join with what stands before them.
  const tokens = [...begun.tokens, ...(prefix === '' ? [] : tokenizer.encode(prefix))]
  return tokens.length < contextTokens ? { tokens } : { tooLong: true }
}

function jsonRefusal(prefix: string, { canSayAnything }: ModelTokenizer): PromptRefusal | null {
  if (!canSayAnything)
    return {
      refused: 'unsupported_parameter',
      message: 'This model has no token for some bytes: it cannot be held to JSON.',
    }
  const isBegun = new JsonMask().push(new TextEncoder().encode(prefix))
  return isBegun ? null : { refused: 'bad_request', message: 'What is to be continued does not begin a JSON object.' }
}

function beginningOf(
  prompt: Prompt,
  tokenizer: ModelTokenizer,
  template: ChatTemplate,
): { readonly tokens: readonly number[] } | PromptRefusal {
  if (prompt.kind === 'chat') {
    const tokens = template.tokens(prompt.messages)
    return tokens
      ? { tokens }
      : { refused: 'bad_request', message: 'The model does not take these messages in this order.' }
  }
  const tokens = [...tokenizer.textStart, ...tokenizer.encode(prompt.text)]
  if (tokens.length > 0) return { tokens }
  // A graph computes nothing of nothing: OpenAI, too, begins an empty prompt with the token between texts.
  if (tokenizer.beginning !== null) return { tokens: [tokenizer.beginning] }
  return { refused: 'bad_request', message: 'The prompt is empty.' }
}

// The tokens a job begins with: its dialogue by the template, or its text as it is, then the part of the answer that was delivered before.
import type { ModelManifest } from '../../../../protocol/model.ts'
import type { TextJob } from '../../engine.ts'
import { surelyTooLong } from './chatml.ts'
import type { ChatTemplate } from './template.ts'
import type { ModelTokenizer } from './tokenizer.ts'

export type PromptTokens =
  | { readonly tokens: readonly number[] }
  /** no room for a single token of an answer */
  | { readonly tooLong: true }
  /** `message` is a fixed sentence that quotes nothing */
  | { readonly refused: 'bad_request' | 'unsupported_parameter'; readonly message: string }

export function promptTokens(
  { prompt, prefix }: TextJob,
  tokenizer: ModelTokenizer,
  { contextTokens }: ModelManifest,
  template: ChatTemplate,
): PromptTokens {
  const texts = [prefix, ...(prompt.kind === 'text' ? [prompt.text] : prompt.messages.map(({ content }) => content))]
  if (surelyTooLong(texts, tokenizer, contextTokens)) return { tooLong: true }
  const begun = prompt.kind === 'text' ? tokenizer.encode(prompt.text) : template.tokens(prompt.messages)
  if (!begun) return { refused: 'bad_request', message: 'The model does not take these messages in this order.' }
  // On its own, as the tokens of an answer are: they never join with what stands before them.
  const tokens = [...begun, ...tokenizer.encode(prefix)]
  if (tokens.length === 0) return { refused: 'bad_request', message: 'The prompt is empty.' }
  return tokens.length < contextTokens ? { tokens } : { tooLong: true }
}

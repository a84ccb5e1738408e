// How a dialogue becomes tokens: ChatML as this program writes it, or the template the model came with. Loaded once, with the model.
import type { ModelManifest } from '../../../../protocol/model.ts'
import { chatmlTokens, type Messages } from './chatml.ts'
import type { ModelTokenizer } from './tokenizer.ts'

export interface ChatTemplate {
  /** up to where the assistant begins to speak; null: the template does not take these messages */
  tokens(messages: Messages): number[] | null
}

/** @throws Error in words for the operator, when the model's template cannot be used */
export function loadTemplate(_folder: string, _manifest: ModelManifest, tokenizer: ModelTokenizer): ChatTemplate {
  return { tokens: (messages) => chatmlTokens(messages, tokenizer) }
}

// How a dialogue becomes tokens: ChatML as this program writes it, or the template the model came with. Loaded once, with the model.
import type { ModelManifest } from '../../../../protocol/model.ts'
import { chatmlTokens, type Messages } from './chatml.ts'
import { loadOwnTemplate } from './own-template.ts'
import type { ModelTokenizer } from './tokenizer.ts'

export interface ChatTemplate {
  /** up to where the assistant begins to speak; null: the template does not take these messages */
  tokens(messages: Messages): number[] | null
}

/** @throws Error in words for the operator, when the model cannot chat or its template cannot be used */
export function loadTemplate(
  folder: string,
  { chatTemplate, files }: Pick<ModelManifest, 'chatTemplate' | 'files'>,
  tokenizer: ModelTokenizer,
): ChatTemplate {
  if (!tokenizer.isByteLevel)
    throw new Error('its tokenizer is not byte-level: its tokens cannot be turned into text exactly')
  if (chatTemplate === 'tokenizer_config') return loadOwnTemplate(folder, files, tokenizer)
  chatmlTokens([], tokenizer)
  return { tokens: (messages) => chatmlTokens(messages, tokenizer) }
}

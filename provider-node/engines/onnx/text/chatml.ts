// The chat template of our models: ChatML, written out, because the template language of tokenizer_config.json is a program we would run
// for strangers' messages. A test compares it with the declared template over real dialogues.
import type { Prompt } from '../../engine.ts'
import type { ModelTokenizer } from './tokenizer.ts'

export type Messages = Extract<Prompt, { kind: 'chat' }>['messages']

/** `<|im_start|>role\ncontent<|im_end|>\n` per message, then `<|im_start|>assistant\n`. `developer` is OpenAI's newer word for `system`. */
export function chatmlTokens(messages: Messages, tokenizer: ModelTokenizer): number[] {
  const start = tokenizer.special('<|im_start|>')
  const end = tokenizer.special('<|im_end|>')
  const lineFeed = tokenizer.encode('\n')
  const turns = messages.flatMap(({ role, content }) => [
    start,
    ...tokenizer.encode(`${role === 'developer' ? 'system' : role}\n${content}`),
    end,
    ...lineFeed,
  ])
  return [...turns, start, ...tokenizer.encode('assistant\n')]
}

/** True when so many bytes cannot fit into the context, so that a huge text is refused without the work of tokenizing it. */
export function surelyTooLong(
  texts: readonly string[],
  tokenizer: Pick<ModelTokenizer, 'tokenBytesMax'>,
  contextTokens: number,
): boolean {
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  return bytes / tokenizer.tokenBytesMax >= contextTokens
}

// What a fault node's "model" says: it counts. The prompt `count 5` answers `n0 n1 n2 n3 n4 `, one word and one token an event. From the fourth word
// on a seed, or the node itself, may decide the words, so that a test sees whether an answer was repeated, gone on with, or made up anew.
import { z } from 'zod'
import { sha256Hex } from '../../protocol/canonical.ts'
import type { ModelManifest } from '../../protocol/model.ts'
import type { Offered } from './fault-node-join.ts'

/** A model of its own for each suite, since one digest is one model. */
export function countingModel(id: string): ModelManifest {
  return {
    id,
    task: 'chat',
    description: 'counts',
    licence: 'Apache-2.0',
    files: { 'counter.txt': sha256Hex(id) },
    contextTokens: 8_192,
    outputTokensMax: 4_096,
    bytesPerTokenMin: 1,
    templateTokens: { fixed: 4, perMessage: 4 },
    probes: [{ input: 'count 3', contains: 'n0 n1 n2' }],
    royaltyBps: 500,
  }
}

export const ChatBody = z.object({
  model: z.string(),
  max_tokens: z.number(),
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
  seed: z.number().optional(),
  continue_final_message: z.boolean().optional(),
})
export type ChatBody = z.infer<typeof ChatBody>

export interface Answer {
  readonly prompt: string
  readonly inputTokens: number
  /** what it says, word by word; the first of them may be the rest of a cut one */
  readonly words: readonly string[]
  /** whether `max_tokens` cut it */
  readonly isCut: boolean
  /** characters of the prefix it goes on from */
  readonly continuedCharacters: number
}

/** words before the seed, or the node, has its say: probes see no others */
const ALIKE = 3
const WORDS_WHEN_NOT_TOLD = 3

/** @param salt of this node and this call, for words that nobody can repeat */
export function answerTo(body: ChatBody, kind: Offered['words'], salt: string): Answer {
  const last = body.messages.at(-1)
  const prefix = body.continue_final_message && last?.role === 'assistant' ? last.content : ''
  const prompt = body.messages.findLast(({ role }) => role === 'user')?.content ?? ''
  const asked = Number(/count (\d+)/.exec(prompt)?.[1] ?? WORDS_WHEN_NOT_TOLD)
  const letter = letterOf(body, kind, salt)
  const word = (n: number): string => `n${n}${n < ALIKE ? '' : letter} `
  const from = prefix.split(' ').length - 1
  // A prefix that ends inside of a word: its rest is said first, as long as it is our word.
  const begun = prefix.slice(prefix.lastIndexOf(' ') + 1)
  const words = Array.from({ length: Math.max(0, asked - from) }, (_, index) => word(from + index))
  const [first = ''] = words
  const all = begun !== '' && first.startsWith(begun) ? [first.slice(begun.length), ...words.slice(1)] : words
  return {
    prompt,
    // What it goes on from is read as well.
    inputTokens: prompt.split(/\s+/).length + from,
    words: all.slice(0, body.max_tokens),
    isCut: all.length >= body.max_tokens,
    continuedCharacters: prefix.length,
  }
}

function letterOf({ seed }: ChatBody, kind: Offered['words'], salt: string): string {
  if (kind === undefined || kind === 'counting') return ''
  const source = kind === 'seeded' && seed !== undefined ? `seed ${seed}` : salt
  return sha256Hex(source).slice(0, 8)
}

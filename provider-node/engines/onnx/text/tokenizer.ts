// The tokenizer of a model folder. What callers write is always ordinary text: a special token's name inside a message is spelt out in
// ordinary tokens, so nobody can end their own turn or speak as the system.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import type { TokenTable } from '../../token-table.ts'

const TokenizerFile = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number().int(), content: z.string(), special: z.boolean() })).default([]),
  decoder: z.looseObject({ type: z.string() }).nullish(),
})

export interface ModelTokenizer extends TokenTable {
  /** ordinary tokens only, whatever the text says */
  encode(text: string): number[]
  /** @throws Error when the model has no such special token */
  special(content: string): number
  /** bytes of the longest token: a text of n bytes has at least n ÷ this many tokens */
  readonly tokenBytesMax: number
}

/** @throws Error when a file is missing or is no tokenizer */
export function loadTokenizer(folder: string): ModelTokenizer {
  const json: unknown = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'))
  const config: unknown = JSON.parse(readFileSync(join(folder, 'tokenizer_config.json'), 'utf8'))
  const file = TokenizerFile.parse(json)
  const tokenizer = new Tokenizer({ ...file, added_tokens: [] }, z.looseObject({}).parse(config))
  const specials = new Map(file.added_tokens.filter((token) => token.special).map((token) => [token.content, token.id]))
  const specialIds = new Set(specials.values())
  const table = file.decoder?.type === 'ByteLevel' ? byteTable(tokenizer.get_vocab(), specialIds) : null
  return {
    size: largest([...tokenizer.get_vocab().values(), ...specialIds]) + 1,
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    special(content) {
      const id = specials.get(content)
      if (id === undefined) throw new Error(`the tokenizer has no token ${content}`)
      return id
    },
    specials: specialIds,
    bytes(token) {
      if (!table) throw new Error('only byte-level tokenizers can be decoded')
      return table.get(token) ?? new Uint8Array()
    },
    tokenBytesMax: table ? Math.max(1, largest([...table.values()].map((bytes) => bytes.length))) : Infinity,
  }
}

/** −1 of none. Not `Math.max(...)`: a vocabulary is more than a call takes arguments. */
const largest = (numbers: readonly number[]): number => numbers.reduce((most, one) => Math.max(most, one), -1)

function byteTable(vocabulary: ReadonlyMap<string, number>, specials: ReadonlySet<number>): Map<number, Uint8Array> {
  const byteOf = byteLevelAlphabet()
  const table = new Map<number, Uint8Array>()
  for (const [text, id] of vocabulary) {
    if (specials.has(id)) continue
    table.set(
      id,
      Uint8Array.from(text, (char) => byteOf.get(char) ?? 0x3f),
    )
  }
  return table
}

/** GPT-2's byte-level alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 and on. @example 'Ġ' is a space */
function byteLevelAlphabet(): Map<string, number> {
  const alphabet = new Map<string, number>()
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    alphabet.set(String.fromCodePoint(printable ? byte : next++), byte)
  }
  return alphabet
}

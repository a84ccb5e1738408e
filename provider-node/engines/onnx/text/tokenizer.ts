// The tokenizer of a model folder. What callers write is always ordinary text: a special token's name inside a message is spelt out in
// ordinary tokens, so nobody can end their own turn or speak as the system.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import type { TokenTable } from '../../token-table.ts'
import { byteTable, hasEveryByte } from './byte-level.ts'

const AddedToken = z.looseObject({
  id: z.number().int(),
  content: z.string(),
  special: z.boolean(),
  /** the token takes the white space on that side with it */
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
})
type AddedToken = z.infer<typeof AddedToken>
const TokenizerFile = z.looseObject({
  added_tokens: z.array(AddedToken).default([]),
  decoder: z.looseObject({ type: z.string() }).nullish(),
})
const TokenName = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)])
const ConfigFile = z.looseObject({
  bos_token: TokenName.nullish(),
  eos_token: TokenName.nullish(),
  add_bos_token: z.boolean().nullish(),
})

export interface ModelTokenizer extends TokenTable {
  /** ordinary tokens only, whatever the text says */
  encode(text: string): number[]
  /** A text of the model's own: the tokens beside its vocabulary, special ones among them, by their ids, and the ordinary text between them. */
  pieces(text: string): (number | string)[]
  /** @throws Error when the model has no such special token */
  special(content: string): number
  /** with which a text begins that has no template: none, or the beginning-of-text token where the model was trained so */
  readonly textStart: readonly number[]
  /** what stands for a text of nothing; null: the model has no such token */
  readonly beginning: number | null
  /** Every token stands for known bytes. Otherwise `bytes` throws. */
  readonly isByteLevel: boolean
  /** Every byte of UTF-8 is a token of its own: whatever text is to come can be said. */
  readonly canSayAnything: boolean
  /** bytes of the longest token: a text of n bytes has at least n ÷ this many tokens */
  readonly tokenBytesMax: number
}

/** @throws Error when a file is missing or is no tokenizer */
export function loadTokenizer(folder: string, name = 'tokenizer.json'): ModelTokenizer {
  const file = TokenizerFile.parse(JSON.parse(readFileSync(join(folder, name), 'utf8')))
  const config = ConfigFile.parse(JSON.parse(readFileSync(join(folder, 'tokenizer_config.json'), 'utf8')))
  const tokenizer = new Tokenizer({ ...file, added_tokens: [] }, config)
  const added = new Map(file.added_tokens.map((token) => [token.content, token]))
  const eos = config.eos_token
  const specials = new Map(
    [...added.values()]
      .filter(({ special, content }) => special || content === eos)
      .map((one) => [one.content, one.id]),
  )
  const specialIds = new Set(specials.values())
  const vocabulary = tokenizer.get_vocab()
  const table = file.decoder?.type === 'ByteLevel' ? byteTable(vocabulary, file.added_tokens, specialIds) : null
  const idOf = (content: string | null | undefined) => (content ? (specials.get(content) ?? null) : null)
  const beginning = idOf(config.bos_token) ?? idOf(eos)
  return {
    size: largest([...vocabulary.values(), ...file.added_tokens.map(({ id }) => id)]) + 1,
    encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    pieces: splitter([...added.values()]),
    special(content) {
      const id = specials.get(content)
      if (id === undefined) throw new Error(`the tokenizer has no token ${content}`)
      return id
    },
    specials: specialIds,
    textStart: config.add_bos_token && beginning !== null ? [beginning] : [],
    beginning,
    bytes(token) {
      if (!table) throw new Error('only byte-level tokenizers can be decoded')
      return table.get(token) ?? NO_BYTES
    },
    isByteLevel: table !== null,
    canSayAnything: table !== null && hasEveryByte(table),
    tokenBytesMax: table ? Math.max(1, largest([...table.values()].map((bytes) => bytes.length))) : Infinity,
  }
}

const NO_BYTES = new Uint8Array()

/** −1 of none. Not `Math.max(...)`: a vocabulary is more than a call takes arguments. */
const largest = (numbers: readonly number[]): number => numbers.reduce((most, one) => Math.max(most, one), -1)

/** From the first white space on: tried from each one, a million of them, which may be a caller's, would take minutes. */
const SPACE_BEFORE = String.raw`(?:(?<!\s)\s+)?`

/** Finds added tokens as the tokenizer itself would: the longest of those that begin at one place. */
function splitter(added: readonly AddedToken[]): ModelTokenizer['pieces'] {
  const longestFirst = [...added].sort((a, b) => b.content.length - a.content.length)
  // A special token with white space at its ends could be made of the white space around a caller's text.
  const named = longestFirst.filter(
    ({ content, special }) => content !== '' && !(special && content !== content.trim()),
  )
  if (named.length === 0) return (text) => (text === '' ? [] : [text])
  const pattern = named
    .map(
      ({ content, lstrip, rstrip }) => `${lstrip ? SPACE_BEFORE : ''}(${escapeRegExp(content)})${rstrip ? '\\s*' : ''}`,
    )
    .join('|')
  return (text) => {
    const pieces: (number | string)[] = []
    let end = 0
    for (const match of text.matchAll(new RegExp(pattern, 'g'))) {
      if (match.index > end) pieces.push(text.slice(end, match.index))
      pieces.push(named[match.slice(1).findIndex((group) => group !== undefined)]?.id ?? 0)
      end = match.index + match[0].length
    }
    return end < text.length ? [...pieces, text.slice(end)] : pieces
  }
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')

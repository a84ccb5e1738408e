// Texts as the token ids an encoder model (BERT and its like) was taught with: the tokenizer's own beginning and end around ordinary tokens, so
// that what a caller writes can never be one of them; and the graph's inputs, padded to the longest text.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { Tensor, type InferenceSession } from 'onnxruntime-node'
import { z } from 'zod'

const TokenizerFile = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.number().int(), content: z.string() })).default([]),
  padding: z.looseObject({ pad_id: z.number().int() }).nullish(),
})
const TokenizerConfig = z.looseObject({ pad_token: z.string().nullish() })

export interface TextTokens {
  encode(text: string): number[]
  /** the id that fills a row behind its text */
  readonly padding: number
}

/** @param file of the tokenizer, in the folder @throws Error when it is none */
export function loadTextTokens(folder: string, file: string): TextTokens {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'))
  const json = TokenizerFile.parse(read(file))
  const config = TokenizerConfig.parse(read('tokenizer_config.json'))
  const whole = new Tokenizer(json, config)
  const ordinary = new Tokenizer({ ...json, added_tokens: [] }, config)
  // What stands around any text is seen around one: 'a' has tokens in every vocabulary.
  const plain = whole.encode('a', { add_special_tokens: false }).ids
  const around = whole.encode('a', { add_special_tokens: true }).ids
  const start = Math.max(
    0,
    around.findIndex((_, at) => plain.every((id, offset) => around[at + offset] === id)),
  )
  const [before, behind] = [around.slice(0, start), around.slice(start + plain.length)]
  const named = json.added_tokens.find(({ content }) => content === config.pad_token)?.id
  return {
    encode: (text) => [...before, ...ordinary.encode(text, { add_special_tokens: false }).ids, ...behind],
    padding: json.padding?.pad_id ?? named ?? 0,
  }
}

/** Feeds for whichever of input_ids, attention_mask, token_type_ids and position_ids the graph has; int64 [texts, longest]. */
export function tokenInputs(
  session: Pick<InferenceSession, 'inputNames'>,
  rows: readonly (readonly number[])[],
  padding: number,
): Record<string, Tensor> {
  const longest = Math.max(1, ...rows.map((ids) => ids.length))
  const filled = (valueAt: (ids: readonly number[], column: number) => number) =>
    new Tensor(
      'int64',
      BigInt64Array.from({ length: rows.length * longest }, (_, at) =>
        BigInt(valueAt(rows[Math.floor(at / longest)] ?? [], at % longest)),
      ),
      [rows.length, longest],
    )
  const all: Record<string, () => Tensor> = {
    input_ids: () => filled((ids, column) => ids[column] ?? padding),
    attention_mask: () => filled((ids, column) => (column < ids.length ? 1 : 0)),
    token_type_ids: () => filled(() => 0),
    position_ids: () => filled((_, column) => column),
  }
  return Object.fromEntries(session.inputNames.flatMap((name) => (all[name] ? [[name, all[name]()]] : [])))
}

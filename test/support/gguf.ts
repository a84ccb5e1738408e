// The shipped tiny-chat in GGUF, so that a real llama.cpp can stand behind a node: the same weights, tokenizer and template in its own container
// (ggml-org/ggml, docs/gguf.md, version 3). Written when a test asks for it; nothing of it is committed.
import onnxProto from 'onnx-proto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const LlamaConfig = z.object({
  hidden_size: z.number().int(),
  intermediate_size: z.number().int(),
  num_hidden_layers: z.number().int(),
  num_attention_heads: z.number().int(),
  max_position_embeddings: z.number().int(),
  rms_norm_eps: z.number(),
  rope_theta: z.number(),
  eos_token_id: z.number().int(),
  pad_token_id: z.number().int(),
})
type LlamaConfig = z.infer<typeof LlamaConfig>
const TokenizerFile = z.object({
  added_tokens: z.array(z.object({ id: z.number().int() })),
  model: z.object({
    vocab: z.record(z.string(), z.number().int()),
    merges: z.array(z.tuple([z.string(), z.string()])),
  }),
})
const TokenizerConfig = z.object({ chat_template: z.string() })

/** @param folder of tiny-chat: model.onnx, config.json, tokenizer.json, tokenizer_config.json @returns the bytes of a .gguf file, F32 */
export async function tinyChatGguf(folder: string): Promise<Uint8Array> {
  const json = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(folder, name), 'utf8'))
  const config = LlamaConfig.parse(await json('config.json'))
  const { added_tokens: added, model } = TokenizerFile.parse(await json('tokenizer.json'))
  const { chat_template: template } = TokenizerConfig.parse(await json('tokenizer_config.json'))
  const tokens = Object.entries(model.vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token)
  const specials = new Set(added.map(({ id }) => id))
  const weights = initializersOf(await readFile(join(folder, 'model.onnx')))
  return gguf(
    [
      ...architecture(config, tokens.length),
      ['tokenizer.ggml.model', text('gpt2')],
      // Its pattern differs from ours only where no merge of ours reaches: runs of digits and contractions stay together before they are cut.
      ['tokenizer.ggml.pre', text('gpt-2')],
      ['tokenizer.ggml.tokens', list(TYPE.text, tokens.map(textBytes))],
      [
        'tokenizer.ggml.token_type',
        list(
          TYPE.i32,
          tokens.map((_, id) => u32Bytes(specials.has(id) ? CONTROL : NORMAL)),
        ),
      ],
      [
        'tokenizer.ggml.merges',
        list(
          TYPE.text,
          model.merges.map((pair) => textBytes(pair.join(' '))),
        ),
      ],
      ['tokenizer.ggml.bos_token_id', u32(config.pad_token_id)],
      ['tokenizer.ggml.eos_token_id', u32(config.eos_token_id)],
      ['tokenizer.ggml.padding_token_id', u32(config.pad_token_id)],
      ['tokenizer.ggml.add_bos_token', bool(false)],
      ['tokenizer.chat_template', text(template)],
    ],
    llamaTensors(config, weights, tokens.length),
  )
}

const NORMAL = 1
const CONTROL = 3

const architecture = (config: LlamaConfig, vocabulary: number): Metadata => [
  ['general.architecture', text('llama')],
  ['general.name', text('tiny-chat')],
  ['llama.context_length', u32(config.max_position_embeddings)],
  ['llama.embedding_length', u32(config.hidden_size)],
  ['llama.block_count', u32(config.num_hidden_layers)],
  ['llama.feed_forward_length', u32(config.intermediate_size)],
  ['llama.attention.head_count', u32(config.num_attention_heads)],
  ['llama.attention.head_count_kv', u32(config.num_attention_heads)],
  ['llama.attention.layer_norm_rms_epsilon', f32(config.rms_norm_eps)],
  ['llama.rope.dimension_count', u32(config.hidden_size / config.num_attention_heads)],
  ['llama.rope.freq_base', f32(config.rope_theta)],
  ['llama.vocab_size', u32(vocabulary)],
]

interface Matrix {
  readonly name: string
  /** ggml's order: the innermost dimension first */
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/**
 * The graph keeps matrices as [in, out], with q, k and v side by side and gate and up as well; llama.cpp wants each as [out, in]. Its rotary
 * positions turn neighbouring pairs, the graph's turn halves: the rows of q and k are interleaved for it (convert_hf_to_gguf.py, `permute`).
 */
function llamaTensors(config: LlamaConfig, weights: ReadonlyMap<string, Float32Array>, vocabulary: number): Matrix[] {
  const { hidden_size: width, intermediate_size: inner, num_attention_heads: heads, num_hidden_layers: layers } = config
  const get = (name: string): Float32Array => {
    const values = weights.get(name)
    if (!values) throw new Error(`the graph has no initializer ${name}`)
    return values
  }
  const norm = (name: string, from: string): Matrix => ({ name, shape: [width], values: get(from) })
  const part = (name: string, from: string, input: number, all: number, first: number, count: number): Matrix => ({
    name,
    shape: [input, count],
    values: columns(get(from), input, all, first, count),
  })
  const rotary = (matrix: Matrix): Matrix => ({ ...matrix, values: interleaved(matrix.values, width, heads) })
  const layer = (i: number): Matrix[] => [
    norm(`blk.${i}.attn_norm.weight`, `g1${i}`),
    rotary(part(`blk.${i}.attn_q.weight`, `qkv${i}`, width, 3 * width, 0, width)),
    rotary(part(`blk.${i}.attn_k.weight`, `qkv${i}`, width, 3 * width, width, width)),
    part(`blk.${i}.attn_v.weight`, `qkv${i}`, width, 3 * width, 2 * width, width),
    part(`blk.${i}.attn_output.weight`, `o${i}`, width, width, 0, width),
    norm(`blk.${i}.ffn_norm.weight`, `g2${i}`),
    part(`blk.${i}.ffn_gate.weight`, `w13${i}`, width, 2 * inner, 0, inner),
    part(`blk.${i}.ffn_up.weight`, `w13${i}`, width, 2 * inner, inner, inner),
    part(`blk.${i}.ffn_down.weight`, `w2${i}`, inner, width, 0, width),
  ]
  return [
    { name: 'token_embd.weight', shape: [width, vocabulary], values: get('E') },
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    norm('output_norm.weight', 'gf'),
  ]
}

/** Columns `first` to `first + count` of an [input, all] matrix, turned: [count, input]. */
function columns(matrix: Float32Array, input: number, all: number, first: number, count: number): Float32Array {
  const turned = new Float32Array(count * input)
  for (let out = 0; out < count; out++)
    for (let row = 0; row < input; row++) turned[out * input + row] = matrix[row * all + first + out] ?? 0
  return turned
}

/** Rows of each head: 0, half, 1, half + 1, … */
function interleaved(matrix: Float32Array, width: number, heads: number): Float32Array {
  const size = width / heads
  const moved = new Float32Array(matrix.length)
  for (let head = 0; head < heads; head++)
    for (let at = 0; at < size; at++) {
      const from = head * size + (at % 2) * (size / 2) + Math.floor(at / 2)
      moved.set(matrix.subarray(from * width, (from + 1) * width), (head * size + at) * width)
    }
  return moved
}

function initializersOf(model: Uint8Array): Map<string, Float32Array> {
  const FLOAT = 1
  const { graph } = onnxProto.onnx.ModelProto.decode(model)
  const floats = (graph?.initializer ?? []).filter(({ dataType }) => dataType === FLOAT)
  return new Map(
    floats.map(({ name, rawData }) => [name ?? '', new Float32Array(new Uint8Array(rawData ?? []).buffer)]),
  )
}

// The container.

const TYPE = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, list: 9 } as const
type Value = { readonly type: number; readonly bytes: Uint8Array }
type Metadata = (readonly [string, Value])[]

const MAGIC = 'GGUF'
const VERSION = 3
const ALIGNMENT = 32
const F32 = 0

function gguf(metadata: Metadata, tensors: readonly Matrix[]): Uint8Array {
  const head = [Buffer.from(MAGIC), u32Bytes(VERSION), u64Bytes(tensors.length), u64Bytes(metadata.length)]
  for (const [key, { type, bytes }] of metadata) head.push(textBytes(key), u32Bytes(type), bytes)
  let offset = 0
  for (const { name, shape, values } of tensors) {
    head.push(textBytes(name), u32Bytes(shape.length), ...shape.map(u64Bytes), u32Bytes(F32), u64Bytes(offset))
    offset += aligned(values.byteLength)
  }
  const parts = [padded(Buffer.concat(head)), ...tensors.map(({ values }) => padded(bytesOf(values)))]
  return Buffer.concat(parts)
}

const aligned = (size: number): number => Math.ceil(size / ALIGNMENT) * ALIGNMENT
const padded = (bytes: Uint8Array): Uint8Array => Buffer.concat([bytes], aligned(bytes.byteLength))
const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

const u32 = (value: number): Value => ({ type: TYPE.u32, bytes: u32Bytes(value) })
const f32 = (value: number): Value => ({ type: TYPE.f32, bytes: bytesOf(new Float32Array([value])) })
const bool = (value: boolean): Value => ({ type: TYPE.bool, bytes: new Uint8Array([value ? 1 : 0]) })
const text = (value: string): Value => ({ type: TYPE.text, bytes: textBytes(value) })
const list = (type: number, items: readonly Uint8Array[]): Value => ({
  type: TYPE.list,
  bytes: Buffer.concat([u32Bytes(type), u64Bytes(items.length), ...items]),
})

function u32Bytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64Bytes(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function textBytes(value: string): Uint8Array {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64Bytes(bytes.byteLength), bytes])
}

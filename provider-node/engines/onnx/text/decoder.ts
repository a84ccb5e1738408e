// A causal language model as ONNX with a key-value cache (the input and output names of Hugging Face's exports), for many sequences at once.
// Rows of different lengths share one run of the graph: what is not theirs is masked, and each has its own positions. When a run fails, its rows
// are tried one by one, so that a sequence that breaks the graph takes nobody with it.
import { Tensor, type InferenceSession } from 'onnxruntime-node'
import { KvCache, type Columns, type Row } from './kv-cache.ts'
import type { Signature } from './signature.ts'

/** Tokens behind what a sequence has in its cache; null: nothing yet. */
export interface Piece {
  readonly row: Row | null
  readonly tokens: readonly number[]
}

/** `logits` behind the last token; `failed`: the name of what the graph threw. */
export type Fed = { readonly row: Row; readonly logits: Float32Array } | { readonly failed: string }

export interface Decoder {
  /** bytes of cache for one position of one sequence */
  readonly positionBytes: number
  /** Feeds prompts, or the next parts of some; those without a past in one run. */
  prefill(pieces: readonly Piece[]): Promise<readonly Fed[]>
  /** One token for each row; rows that are left out lose their place in the batch, and are gone. */
  step(rows: readonly Row[], tokens: readonly number[]): Promise<readonly Fed[]>
  /** The same past for one more sequence. Only of rows that `prefill` gave and no step has taken. */
  fork(row: Row): Row
  close(): Promise<void>
}

export interface Graph {
  readonly session: InferenceSession
  readonly signature: Signature
  /** of each cache tensor, the output that ends with what is new: only that, or the whole cache */
  readonly freshOutputs: readonly string[]
}

/** @param columnStep columns of the cache that may stand empty, and are masked; 1 for graphs that ignore masks, which take one row */
export function createDecoder(graph: Graph, columnStep: number): Decoder {
  const { cache: tensors } = graph.signature
  const cache = new KvCache(tensors, columnStep)

  /** Prompts without a past, the shorter ones padded on the left. */
  async function begun(prompts: readonly (readonly number[])[]): Promise<Fed[]> {
    const { logits, fresh, longest } = await run(
      graph,
      null,
      prompts.map((tokens) => ({ known: 0, tokens })),
    )
    return prompts.map(({ length }, slot) => {
      const place = { tensors: fresh, slot, begin: longest - length }
      return { row: { length, place }, logits: logits[slot] ?? NO_LOGITS }
    })
  }
  /** A part of a prompt, or a token of a row that is tried alone. */
  async function continued(row: Row, tokens: readonly number[]): Promise<Fed> {
    const own = cache.alone(row)
    const { logits, fresh } = await run(graph, own, [{ known: row.length, tokens }])
    if (row.place) {
      row.place = cache.joined(own, fresh, tokens.length)
      row.length += tokens.length
    } else cache.append(row, fresh, 0)
    return { row, logits: logits[0] ?? NO_LOGITS }
  }
  async function eachAlone(pieces: readonly Piece[]): Promise<Fed[]> {
    const fed: Fed[] = []
    for (const { row, tokens } of pieces) {
      const tried = row ? continued(row, tokens) : begun([tokens]).then(([first]) => first ?? { failed: 'nothing' })
      fed.push(await tried.catch((cause: unknown) => ({ failed: cause instanceof Error ? cause.name : 'unknown' })))
    }
    return fed
  }
  return {
    positionBytes: tensors.reduce((sum, { heads, width }) => sum + heads * width * 4, 0),
    async prefill(pieces) {
      if (pieces.length === 1 || pieces.some(({ row }) => row !== null)) return eachAlone(pieces)
      return begun(pieces.map(({ tokens }) => tokens)).catch(() => eachAlone(pieces))
    },
    async step(rows, tokens) {
      cache.seat(rows)
      const order = cache.rows.map((row) => rows.indexOf(row))
      const pieces = order.map((index) => ({ known: rows[index]?.length ?? 0, tokens: [tokens[index] ?? 0] }))
      const past = cache.feed().map((data) => ({ data, columns: cache.columns }))
      try {
        const { logits, fresh } = await run(graph, past, pieces)
        const fed: Fed[] = rows.map((row) => ({ row, logits: NO_LOGITS }))
        order.forEach((index, slot) => {
          const row = rows[index]
          if (!row) return
          fed[index] = { row, logits: logits[slot] ?? NO_LOGITS }
          cache.append(row, fresh, slot)
        })
        return fed
      } catch {
        return eachAlone(rows.map((row, index) => ({ row, tokens: [tokens[index] ?? 0] })))
      }
    },
    fork: (row) => ({ ...row }),
    close: () => graph.session.release(),
  }
}

const NO_LOGITS = new Float32Array()

/** What one row is fed, behind so many positions that it knows. */
interface Fodder {
  readonly known: number
  readonly tokens: readonly number[]
}

interface Ran {
  /** per row, behind its last token */
  readonly logits: readonly Float32Array[]
  readonly fresh: readonly Columns[]
  /** columns that were fed, the padding of shorter rows before their tokens */
  readonly longest: number
}

async function run(graph: Graph, past: readonly Columns[] | null, rows: readonly Fodder[]): Promise<Ran> {
  const { session, signature, freshOutputs } = graph
  const longest = rows.reduce((most, { tokens }) => Math.max(most, tokens.length), 0)
  const outputs = await session.run(feedsOf(signature, past, rows, longest), ['logits', ...freshOutputs])
  const { data, dims } = floats(outputs, 'logits')
  const [, given = 1, vocabulary = 0] = dims
  const logits = rows.map((_, slot) => {
    const end = (slot + 1) * given * vocabulary
    return data.subarray(end - vocabulary, end)
  })
  const fresh = freshOutputs.map((name) => {
    const output = floats(outputs, name)
    return { data: output.data, columns: output.dims[2] ?? 0 }
  })
  return { logits, fresh, longest }
}

function feedsOf(
  signature: Signature,
  past: readonly Columns[] | null,
  rows: readonly Fodder[],
  longest: number,
): Record<string, Tensor> {
  const count = rows.length
  const before = past?.[0]?.columns ?? 0
  const columns = before + longest
  const ids = new BigInt64Array(count * longest)
  const positions = new BigInt64Array(count * longest)
  const mask = new BigInt64Array(count * columns)
  rows.forEach(({ known, tokens }, slot) => {
    const start = (slot + 1) * longest - tokens.length
    tokens.forEach((token, index) => {
      ids[start + index] = BigInt(token)
      positions[start + index] = BigInt(known + index)
    })
    mask.fill(1n, slot * columns, slot * columns + known)
    mask.fill(1n, (slot + 1) * columns - tokens.length, (slot + 1) * columns)
  })
  const feeds: Record<string, Tensor> = { input_ids: new Tensor('int64', ids, [count, longest]) }
  if (signature.hasMask) feeds.attention_mask = new Tensor('int64', mask, [count, columns])
  if (signature.hasPositions) feeds.position_ids = new Tensor('int64', positions, [count, longest])
  if (signature.logitsToKeep) feeds[signature.logitsToKeep] = new Tensor('int64', BigInt64Array.of(1n), [])
  signature.cache.forEach(({ past: name, heads, width }, index) => {
    feeds[name] = new Tensor('float32', past?.[index]?.data ?? NO_LOGITS, [count, heads, before, width])
  })
  return feeds
}

function floats(
  outputs: InferenceSession.OnnxValueMapType,
  name: string,
): { data: Float32Array; dims: readonly number[] } {
  const value = outputs[name]
  if (!(value instanceof Tensor) || !(value.data instanceof Float32Array)) throw new Error(`the graph gave no ${name}`)
  return { data: value.data, dims: value.dims }
}

// A causal language model as ONNX with a key-value cache (the input and output names of Hugging Face's exports), for many sequences at once.
// Rows of different lengths share one run of the graph: padded on the left, masked, each with its own positions. When a run fails, its rows are
// tried one by one, so that a sequence that breaks the graph takes nobody with it.
import { Tensor, type InferenceSession } from 'onnxruntime-node'
import { arrange, type Block, type Row } from './kv-cache.ts'
import { readSignature, type Signature } from './signature.ts'

/** Tokens behind what a sequence has in its cache; null: nothing yet. Pieces of one run are all new ones, or it is one alone. */
export interface Piece {
  readonly row: Row | null
  readonly tokens: readonly number[]
}

/** `logits` behind the last token; `failed`: the name of what the graph threw. */
export type Fed = { readonly row: Row; readonly logits: Float32Array } | { readonly failed: string }

export interface Decoder {
  /** bytes of cache for one position of one sequence */
  readonly positionBytes: number
  /** Feeds prompts, or the next part of one. */
  prefill(pieces: readonly Piece[]): Promise<readonly Fed[]>
  /** One token for each row; rows that are left out lose their place in the batch. */
  step(rows: readonly Row[], tokens: readonly number[]): Promise<readonly Fed[]>
  /** The same past for one more sequence. Only of rows that `prefill` gave and no step has taken. */
  fork(row: Row): Row
  close(): Promise<void>
}

type Feeds = Record<string, Tensor>

/** @throws Error in words for the operator, when this is no graph that can be served */
export function createDecoder(session: InferenceSession): Decoder {
  const signature = readSignature(session)
  const tried = async (pieces: readonly Piece[], isOwned: boolean): Promise<readonly Fed[]> => {
    try {
      return await feed(session, signature, pieces, isOwned)
    } catch (cause) {
      if (pieces.length === 1) return [{ failed: cause instanceof Error ? cause.name : 'unknown' }]
      const fed: Fed[] = []
      for (const piece of pieces) fed.push(...(await tried([piece], isOwned)))
      return fed
    }
  }
  return {
    positionBytes: signature.cache.reduce((sum, { heads, width }) => sum + heads * width * 4, 0),
    prefill: (pieces) => tried(pieces, false),
    step: (rows, tokens) =>
      tried(
        rows.map((row, index) => ({ row, tokens: [tokens[index] ?? 0] })),
        true,
      ),
    fork: ({ block, slot, length }) => ({ block, slot, length }),
    close: () => session.release(),
  }
}

/** One run of the graph. Rows that are already in a cache have one token each, or there is one row alone: so nothing stands between a past and its new tokens. */
async function feed(
  session: InferenceSession,
  signature: Signature,
  pieces: readonly Piece[],
  isOwned: boolean,
): Promise<readonly Fed[]> {
  const past = pastOf(signature, pieces)
  const seats = past
    ? past.rows.map((row) => pieces.findIndex((piece) => piece.row === row))
    : pieces.map((_, index) => index)
  const inSlots = seats.map((index) => pieces[index] ?? NO_PIECE)
  const longest = inSlots.reduce((most, { tokens }) => Math.max(most, tokens.length), 0)
  const outputs = await session.run(feedsOf(signature, past, inSlots, longest))
  const columns = (past?.columns ?? 0) + longest
  const rows: Row[] = []
  const data = signature.cache.map(({ present }) => floats(outputs, present).data)
  const block: Block = { columns, rows, data, isOwned }
  const logits = floats(outputs, 'logits')
  const [, given = 1, vocabulary = 0] = logits.dims
  const fed: Fed[] = []
  seats.forEach((index, slot) => {
    const { row: known, tokens } = inSlots[slot] ?? NO_PIECE
    const row: Row = known ?? { block, slot, length: 0 }
    row.block = block
    row.slot = slot
    row.length += tokens.length
    rows.push(row)
    const end = (slot + 1) * given * vocabulary
    fed[index] = { row, logits: logits.data.subarray(end - vocabulary, end) }
  })
  return fed
}

const NO_PIECE: Piece = { row: null, tokens: [] }

function pastOf({ cache }: Signature, pieces: readonly Piece[]): Block | null {
  const known = pieces.map(({ row }) => row).filter((row) => row !== null)
  if (known.length === 0) return null
  const isRagged = pieces.length > 1 && pieces.some(({ tokens }) => tokens.length !== 1)
  if (known.length < pieces.length || isRagged) throw new Error('pieces with and without a past do not share a run')
  return arrange(cache, known)
}

function feedsOf(signature: Signature, past: Block | null, pieces: readonly Piece[], longest: number): Feeds {
  const count = pieces.length
  const before = past?.columns ?? 0
  const columns = before + longest
  const ids = new BigInt64Array(count * longest)
  const positions = new BigInt64Array(count * longest)
  const mask = new BigInt64Array(count * columns)
  pieces.forEach(({ row, tokens }, slot) => {
    const known = past ? (row?.length ?? 0) : 0
    const start = slot * longest + longest - tokens.length
    tokens.forEach((token, index) => {
      ids[start + index] = BigInt(token)
      positions[start + index] = BigInt(known + index)
    })
    mask.fill(1n, slot * columns + before - known, slot * columns + before)
    mask.fill(1n, (slot + 1) * columns - tokens.length, (slot + 1) * columns)
  })
  const feeds: Feeds = { input_ids: new Tensor('int64', ids, [count, longest]) }
  if (signature.hasMask) feeds.attention_mask = new Tensor('int64', mask, [count, columns])
  if (signature.hasPositions) feeds.position_ids = new Tensor('int64', positions, [count, longest])
  if (signature.logitsToKeep) feeds[signature.logitsToKeep] = new Tensor('int64', BigInt64Array.of(1n), [])
  signature.cache.forEach(({ past: name, heads, width }, index) => {
    const values = past?.data[index] ?? new Float32Array()
    feeds[name] = new Tensor('float32', values, [count, heads, before, width])
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

// From a model's graph to a decoder: opens it, lets it give what is new in its caches alone where it can, and looks whether it does what batches rest
// on. A graph that is not batchable is computed one sequence at a time, and the operator is told; one that cannot continue a text is refused.
import { readFile, stat } from 'node:fs/promises'
import { dataFilesOf } from '../../../model-store/graph-files.ts'
import type { createOpenSession, OpenedSession, SessionNeeds } from '../session.ts'
import { createDecoder, type Decoder, type Fed, type Graph } from './decoder.ts'
import { withNewKeys } from './graph-outputs.ts'
import { readSignature } from './signature.ts'

export interface OpenedDecoder {
  readonly decoder: Decoder
  readonly provider: string
  /** false: only one sequence at a time gives right answers */
  readonly isBatchable: boolean
}

/** Columns of the cache that grow at once: few, because those that stand empty are computed too, and each growth copies the batch. */
const COLUMN_STEP = 16
/** bytes of a graph that is read into memory: protobuf ends there, and larger ones keep their weights in other files anyway */
const GRAPH_BYTES_MAX = 2 ** 31 - 1
/** Share of the logits' range by which two ways to the same logits may differ: rounding, also of graphs in 8 bits; a wrong mask is far off. */
const TOLERANCE = 0.05

/** @param open how to open a session with these needs @throws Error in words for the operator */
export async function openDecoder(
  file: string,
  needs: SessionNeeds,
  open: typeof createOpenSession,
): Promise<OpenedDecoder> {
  const opened = await open(needs)(file)
  const { graph, provider } = await withLeastOutputs(file, needs, open, opened)
  const isBatchable = graph.signature.hasMask && (await isAlike(createDecoder(graph, COLUMN_STEP)))
  if (isBatchable) return { decoder: createDecoder(graph, COLUMN_STEP), provider, isBatchable }
  const decoder = createDecoder(graph, 1)
  if (!(await continues(decoder))) throw new Error('the graph does not go on from its own cache')
  needs.warn('not_batchable', { cause: 'the graph does not honour masks' })
  return { decoder, provider, isBatchable }
}

async function withLeastOutputs(
  file: string,
  needs: SessionNeeds,
  open: typeof createOpenSession,
  { session, provider, measured }: OpenedSession,
): Promise<{ graph: Graph; provider: string }> {
  const signature = readSignature(session)
  const whole = signature.cache.map(({ present }) => present)
  // From memory, weights in files beside the graph would be looked for where the program was started, and others might lie there.
  const isReadable = (await stat(file)).size <= GRAPH_BYTES_MAX && (await dataFilesOf(file)).length === 0
  const extended = isReadable ? withNewKeys(await readFile(file), signature) : null
  if (!extended) return { graph: { session, signature, freshOutputs: whole }, provider }
  // Not both at once: their weights would take twice the memory.
  await session.release()
  const again = open({ ...needs, chosen: { [file]: { provider, measured } } })
  try {
    const reopened = await again(file, extended.bytes)
    const freshOutputs = whole.map((name) => extended.added.get(name) ?? name)
    return { graph: { session: reopened.session, signature, freshOutputs }, provider: reopened.provider }
  } catch {
    // The file itself could be opened before.
    const reopened = await again(file)
    return { graph: { session: reopened.session, signature, freshOutputs: whole }, provider: reopened.provider }
  }
}

const LONG = [3, 4, 5, 6, 7]
const SHORT = [8, 9]
const NEXT = [5, 6]

/** The same logits for two prompts of different lengths alone, together, and one token on. */
async function isAlike(decoder: Decoder): Promise<boolean> {
  const together = await decoder.prefill([LONG, SHORT].map((tokens) => ({ row: null, tokens })))
  const behind = await step(decoder, together, NEXT)
  for (const [index, tokens] of [LONG, SHORT].entries()) {
    const alone = await decoder.prefill([{ row: null, tokens }])
    const later = await decoder.prefill([{ row: null, tokens: [...tokens, NEXT[index] ?? 0] }])
    if (!isNear(together[index], alone[0]) || !isNear(behind[index], later[0])) return false
  }
  return true
}

/** A prompt in two parts and a token more are the same as all at once. */
async function continues(decoder: Decoder): Promise<boolean> {
  const [begun] = await decoder.prefill([{ row: null, tokens: LONG.slice(0, 2) }])
  if (!begun || 'failed' in begun) return false
  const fed = await decoder.prefill([{ row: begun.row, tokens: LONG.slice(2) }])
  const [behind] = await step(decoder, fed, NEXT.slice(0, 1))
  const [whole] = await decoder.prefill([{ row: null, tokens: [...LONG, ...NEXT.slice(0, 1)] }])
  return isNear(behind, whole)
}

async function step(decoder: Decoder, fed: readonly Fed[], tokens: readonly number[]): Promise<readonly Fed[]> {
  const rows = fed.flatMap((one) => ('row' in one ? [one.row] : []))
  return rows.length === tokens.length ? decoder.step(rows, tokens) : []
}

function isNear(one: Fed | undefined, other: Fed | undefined): boolean {
  if (!one || !other || 'failed' in one || 'failed' in other || one.logits.length === 0) return false
  let [low, high, apart] = [Infinity, -Infinity, 0]
  other.logits.forEach((value, index) => {
    low = Math.min(low, value)
    high = Math.max(high, value)
    apart = Math.max(apart, Math.abs(value - (one.logits[index] ?? NaN)))
  })
  return apart <= (high - low) * TOLERANCE
}

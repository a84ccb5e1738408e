// The task embeddings: texts in, one vector per text out. Texts of many calls go through the graph together, sorted by length, in runs of a bounded
// size; where the graph takes no mask, only texts of equal length do, since nobody could tell it what is padding. Across sizes of such runs a vector
// is equal within a tolerance (3e-8 was measured), not to the bit.
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Tensor, type InferenceSession } from 'onnxruntime-node'
import { FP16, halfValue } from '../../../../protocol/half-float.ts'
import type { ServedManifest } from '../../../../protocol/model.ts'
import type { LoadEmbedder, RunnerRefusal, TextsAnswer, TextsJob } from '../task-runner.ts'
import { normalised, pooled, shortened } from './pooling.ts'
import { graphFile } from './tensors.ts'
import { loadTextTokens, tokenInputs, type TextTokens } from './token-inputs.ts'

/** Texts, and tokens with their padding, of one run: enough to gain from company, few enough to notice a caller who left. One text may be longer. */
const RUN_TEXTS = 32
const RUN_TOKENS = 8_192

const INPUTS: ReadonlySet<string> = new Set(['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'])

/** A text on its way: of which job, and which of its inputs. */
interface Row {
  readonly job: number
  readonly input: number
  readonly ids: readonly number[]
}

export const loadEmbedder: LoadEmbedder = async (folder, manifest, open) => {
  const tokens = loadTextTokens(folder, manifest.tokenizer ?? 'tokenizer.json')
  const { session } = await open(join(folder, graphFile(manifest)))
  const embedder = new Embedder(session, tokens, manifest)
  return {
    batchKey: () => '',
    run: (jobs, hasLeft = () => false) => embedder.run(jobs, hasLeft),
    close: () => session.release(),
  }
}

class Embedder {
  readonly #output: string
  readonly #hasMask: boolean

  /** @throws Error, a sentence for the operator */
  constructor(
    private readonly session: InferenceSession,
    private readonly tokens: TextTokens,
    private readonly manifest: ServedManifest,
  ) {
    const unknown = session.inputNames.find((name) => !INPUTS.has(name))
    if (unknown !== undefined) throw new Error(`its input ${unknown} is none that texts can fill`)
    this.#hasMask = session.inputNames.includes('attention_mask')
    this.#output = outputOf(session, manifest)
  }

  async run(jobs: readonly TextsJob[], hasLeft: (index: number) => boolean): Promise<(TextsAnswer | RunnerRefusal)[]> {
    const refusals = jobs.map((job) => this.#refusedDimensions(job))
    const texts = jobs.map(({ inputs }, job) => (refusals[job] ? [] : inputs.map((text) => this.tokens.encode(text))))
    texts.forEach((own, job) => {
      if (own.some((ids) => ids.length > this.manifest.contextTokens)) refusals[job] = TOO_LONG
    })
    const vectors: Float32Array[][] = jobs.map(() => [])
    const rows = texts.flatMap((own, job) =>
      refusals[job] ? [] : own.map((ids, input) => ({ job, input, ids: ids.length > 0 ? ids : [this.tokens.padding] })),
    )
    for (const chunk of this.#chunks(rows)) {
      const present = chunk.filter(({ job }) => !hasLeft(job))
      if (present.length === 0) continue
      const found = await this.#compute(present)
      present.forEach(({ job, input }, index) => {
        const vector = found[index]
        if (vector) (vectors[job] ??= [])[input] = shortened(vector, jobs[job]?.dimensions ?? null)
      })
      // Messages of callers who leave are heard between two runs.
      await nextTurn()
    }
    return jobs.map((_, job) => {
      const inputTokens = (texts[job] ?? []).reduce((sum, ids) => sum + ids.length, 0)
      return refusals[job] ?? { vectors: vectors[job] ?? [], inputTokens }
    })
  }

  /** Runs of texts of similar length. */
  #chunks(rows: readonly Row[]): Row[][] {
    const sorted = [...rows].sort((a, b) => a.ids.length - b.ids.length)
    const chunks: Row[][] = []
    let open: Row[] = []
    for (const row of sorted) {
      const isOver =
        open.length >= RUN_TEXTS ||
        (open.length + 1) * row.ids.length > RUN_TOKENS ||
        (!this.#hasMask && open[0]?.ids.length !== row.ids.length)
      if (isOver || open.length === 0) chunks.push((open = []))
      open.push(row)
    }
    return chunks
  }

  async #compute(rows: readonly Row[]): Promise<Float32Array[]> {
    const ids = rows.map((row) => row.ids)
    const outputs = await this.session.run(tokenInputs(this.session, ids, this.tokens.padding), [this.#output])
    const value = outputs[this.#output]
    if (!(value instanceof Tensor)) throw new Error(`the graph gave no ${this.#output}`)
    const data = floats(value)
    const width = value.dims.at(-1) ?? 0
    const { pooling = 'none', isNormalised = false } = this.manifest
    const vectors =
      pooling === 'none'
        ? rows.map((_, row) => data.slice(row * width, (row + 1) * width))
        : pooled(
            data,
            ids.map(({ length }) => length),
            width,
            pooling,
          )
    return isNormalised ? vectors.map(normalised) : vectors
  }

  #refusedDimensions({ dimensions }: TextsJob): RunnerRefusal | null {
    const { dimensions: all, dimensionsMin = all } = this.manifest
    if (dimensions === null || dimensions === all) return null
    if (all !== undefined && dimensionsMin !== undefined && dimensions >= dimensionsMin && dimensions <= all)
      return null
    const range = dimensionsMin === all ? `${all ?? 'fixed'}` : `${dimensionsMin} to ${all}`
    return { refused: 'bad_request', message: `The "dimensions" of this model are ${range}.` }
  }
}

/** The output by its usual name, else the first one. @throws Error when it is not what the manifest's pooling needs */
function outputOf({ outputMetadata }: InferenceSession, { pooling = 'none', dimensions }: ServedManifest): string {
  const usual = pooling === 'none' ? ['sentence_embedding'] : ['last_hidden_state', 'token_embeddings']
  const output = outputMetadata.find(({ name }) => usual.includes(name)) ?? outputMetadata[0]
  if (!output?.isTensor || !/^float/.test(output.type)) throw new Error('it gives no floats')
  const rank = pooling === 'none' ? 2 : 3
  // The runtime tells an unknown rank as no dimensions.
  if (output.shape.length > 0 && output.shape.length !== rank)
    throw new Error(
      `its output ${output.name} has ${output.shape.length} dimensions, and pooling ${pooling} needs ${rank}`,
    )
  const width = output.shape.at(-1)
  if (typeof width === 'number' && dimensions !== undefined && width !== dimensions)
    throw new Error(`its vectors have ${width} dimensions, and its manifest says ${dimensions}`)
  return output.name
}

function floats({ data, type }: Tensor): Float32Array {
  if (data instanceof Float32Array) return data
  if (data instanceof Float64Array) return Float32Array.from(data)
  // Where JavaScript has halves of its own, the runtime gives those; else their bits.
  if (type !== 'float16' || !ArrayBuffer.isView(data)) throw new Error(`vectors of ${type}`)
  const bits = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
  return Float32Array.from(bits, (half) => halfValue(half, FP16))
}

const TOO_LONG: RunnerRefusal = {
  refused: 'context_length_exceeded',
  message: 'The input leaves no room in the context of the model.',
}

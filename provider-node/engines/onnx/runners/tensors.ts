// The task tensors: any graph, asked in its own tensors. Checked against what the session itself says before it runs; bytes go in and come out
// without loss; outputs beyond the manifest's ceiling are refused, before the run where shapes tell, else behind it.
import { join } from 'node:path'
import { Tensor as RuntimeTensor, type InferenceSession } from 'onnxruntime-node'
import type { ServedManifest } from '../../../../protocol/model.ts'
import { OIP_LIMITS, tensorBytes, type InferAnswer, type InferRequest, type Tensor } from '../../../../protocol/oip.ts'
import type { LoadTensorRunner, RunnerRefusal } from '../task-runner.ts'
import { knownOutputBytes, misfit, readSignature, type Signature } from './graph-signature.ts'
import { cut, joined, rowsOf, tensorBatchKey } from './tensor-batch.ts'
import { fromRuntime, toRuntime } from './tensor-values.ts'

type Outcome = InferAnswer | RunnerRefusal

export const loadTensors: LoadTensorRunner = async (folder, manifest, open) => {
  const { session, provider } = await open(join(folder, graphFile(manifest)))
  const runner = new Tensors(session, provider, readSignature(session, manifest), manifest)
  return {
    batchKey: tensorBatchKey,
    run: (jobs) => runner.run(jobs),
    close: () => session.release(),
  }
}

/** @throws Error, a sentence for the operator */
export function graphFile({ files }: Pick<ServedManifest, 'files'>): string {
  const graphs = Object.keys(files).filter((name) => name.endsWith('.onnx'))
  if (graphs.includes('model.onnx')) return 'model.onnx'
  const [graph] = graphs
  if (graph === undefined || graphs.length > 1) throw new Error('it has no model.onnx, and not one other graph')
  return graph
}

class Tensors {
  /** false: the graph gave other rows than it took, so its calls are run one by one */
  #isBatchable = true
  readonly #bytesMax: number
  /** by input: memory that batches are joined in, kept from run to run, since fresh pages cost a twentieth of a small model's run */
  readonly #space = new Map<string, Uint8Array>()

  constructor(
    private readonly session: InferenceSession,
    private readonly provider: string,
    private readonly signature: Signature,
    { tensors }: ServedManifest,
  ) {
    this.#bytesMax = tensors?.outputBytesMax ?? OIP_LIMITS.bodyBytes
  }

  async run(jobs: readonly InferRequest[]): Promise<Outcome[]> {
    const refusals = jobs.map((job) => this.#refusal(job))
    const good = jobs.filter((_, index) => !refusals[index])
    const answers = good.length > 1 && this.#isBatchable ? await this.#together(good) : null
    const outcomes: Outcome[] = []
    for (const [index, job] of jobs.entries())
      outcomes.push(refusals[index] ?? answers?.[good.indexOf(job)] ?? (await this.#alone(job)))
    return outcomes
  }

  /** One run for all. Null when the outputs cannot be told apart. @throws whatever the runtime throws */
  async #together(jobs: readonly InferRequest[]): Promise<Outcome[] | null> {
    const names = this.#wanted(jobs[0])
    const inputs = this.signature.inputs.map(({ name }) =>
      joined(
        jobs.flatMap((job) => job.inputs.filter((input) => input.name === name)),
        (input, bytes) => this.#spaceFor(input, bytes),
      ),
    )
    const rows = jobs.map((job) => rowsOf(job) ?? 0)
    const parts = (await this.#compute(inputs, names)).map((output) => cut(output, rows))
    if (parts.some((part) => part === null)) {
      this.#isBatchable = false
      return null
    }
    return jobs.map((job, index) =>
      this.#answer(
        job,
        parts.flatMap((part) => part?.[index] ?? []),
      ),
    )
  }

  async #alone(job: InferRequest): Promise<Outcome> {
    try {
      return this.#answer(job, await this.#compute(job.inputs, this.#wanted(job)))
    } catch (cause) {
      // On the processor a graph that was loaded fails by its inputs alone (an index beyond a table, shapes that do not go together, more memory
      // than there is); a driver can fail by itself.
      if (this.provider === 'cpu') return UNCOMPUTABLE
      throw cause
    }
  }

  async #compute(inputs: readonly Tensor[], names: readonly string[]): Promise<Tensor[]> {
    const feeds = Object.fromEntries(inputs.map((tensor) => [tensor.name, toRuntime(tensor)]))
    const outputs = await this.session.run(feeds, names)
    return names.map((name) => {
      const value = outputs[name]
      if (!(value instanceof RuntimeTensor)) throw new Error(`the graph gave no ${name}`)
      return fromRuntime(name, value)
    })
  }

  #spaceFor(input: string, bytes: number): Uint8Array {
    const kept = this.#space.get(input)
    if (kept && kept.byteLength >= bytes) return kept.subarray(0, bytes)
    const space = new Uint8Array(bytes)
    this.#space.set(input, space)
    return space
  }

  #refusal(job: InferRequest): RunnerRefusal | null {
    const message = misfit(this.signature, job)
    if (message) return { refused: 'bad_request', message }
    return knownOutputBytes(this.signature, job, this.#wanted(job)) > this.#bytesMax ? this.#tooLarge() : null
  }

  #answer({ modelName, outputs: wanted }: InferRequest, outputs: readonly Tensor[]): Outcome {
    if (tensorBytes(outputs) > this.#bytesMax) return this.#tooLarge()
    const ordered = wanted.length === 0 ? outputs : wanted.flatMap((name) => outputs.filter((one) => one.name === name))
    return { modelName, outputs: ordered }
  }

  #tooLarge(): RunnerRefusal {
    return { refused: 'bad_request', message: `The outputs of this call are more than ${this.#bytesMax} bytes.` }
  }

  #wanted(job: InferRequest | undefined): readonly string[] {
    return job && job.outputs.length > 0 ? job.outputs : this.signature.outputs.map(({ name }) => name)
  }
}

const UNCOMPUTABLE: RunnerRefusal = {
  refused: 'bad_request',
  message: 'The model could not be computed with these inputs.',
}

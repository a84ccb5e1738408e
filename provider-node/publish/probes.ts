// A model's own probes, answered here before anybody publishes it: whoever offers it is let in by these, so an answer that its own author's machine
// does not give would keep every node out.
import { tensorFromJson, tensorToJson } from '../../protocol/oip-json.ts'
import { elementsOf, type OipTensorJson, type Tensor } from '../../protocol/oip.ts'
import { TENSOR_TASKS, type ModelManifest, type Probe } from '../../protocol/model.ts'
import { tensorMismatch, TOLERANCE } from '../../protocol/tensor-match.ts'
import { DEFAULT_PRICES, ModelConfig } from '../config.ts'
import { createEngine } from '../engines/create.ts'
import type { EmbeddingEngine, Engine, TensorEngine, TextEngine } from '../engines/engine.ts'
import type { LoadedModel } from '../model-store/manifest.ts'
import { OperatorError } from '../operator-error.ts'
import { NOTHING } from './describe-graph.ts'
import { PUBLISH_LIMITS } from './publish-limits.ts'

type TensorProbe = Exclude<Probe, { input: string }>

/** Runs every probe; one whose outputs are still to be recorded is answered with what the model gives. @throws OperatorError for the first that is wrong */
export async function answerProbes(
  model: LoadedModel & { readonly manifest: ModelManifest },
  env: Readonly<Record<string, string | undefined>>,
): Promise<Probe[]> {
  const { manifest, folder } = model
  const entry = ModelConfig.parse({ folder, prices: DEFAULT_PRICES[manifest.task] })
  const observe = { batch: () => undefined, waited: () => undefined, warn: () => undefined }
  const engine = await createEngine(model, entry, env, { now: Date.now, observe })
  const signal = AbortSignal.timeout(PUBLISH_LIMITS.probesMs)
  try {
    const answered: Probe[] = []
    for (const [index, probe] of manifest.probes.entries())
      answered.push(await answer(engine, manifest, probe, `probe ${index + 1} of ${manifest.id}`, signal))
    return answered
  } finally {
    await engine.close()
  }
}

async function answer(
  engine: Engine,
  manifest: ModelManifest,
  probe: Probe,
  label: string,
  signal: AbortSignal,
): Promise<Probe> {
  try {
    if (engine.task === 'chat') return await answerChat(engine, manifest, wordsOf(probe), signal)
    if (engine.task === 'embeddings') return await answerVector(engine, manifest, wordsOf(probe), signal)
    return await answerTensors(engine, manifest, tensorsOf(probe), signal)
  } catch (cause) {
    throw new OperatorError(`${label}: ${cause instanceof Error ? cause.message : 'it has failed'}`)
  }
}

const owner = () => ({ account: 'author', startBy: Date.now() + PUBLISH_LIMITS.probesMs })

async function answerChat(
  engine: TextEngine,
  { outputTokensMax }: ModelManifest,
  probe: Exclude<Probe, TensorProbe>,
  signal: AbortSignal,
): Promise<Probe> {
  const run = await engine.start(
    {
      ...owner(),
      prompt: { kind: 'chat', messages: [{ role: 'user', content: probe.input }] },
      prefix: '',
      outputTokensMax: Math.min(PUBLISH_LIMITS.probeTokens, outputTokensMax),
      ...{ temperature: 0, topP: 1, topK: 0, seed: 0, stop: [], choices: 1, logprobs: null, isJson: false },
    },
    signal,
  )
  let text = ''
  for await (const step of run.steps) text += step.text
  await run.ended
  if (probe.contains === undefined) throw new Error('a chat probe says what its answer contains')
  if (text.includes(probe.contains)) return probe
  throw new Error(
    `the answer does not contain ${JSON.stringify(probe.contains)}: it is ${JSON.stringify(text.slice(0, 200))}`,
  )
}

async function answerVector(
  engine: EmbeddingEngine,
  { dimensions }: ModelManifest,
  probe: Exclude<Probe, TensorProbe>,
  signal: AbortSignal,
): Promise<Probe> {
  const { vectors } = await engine.embed({ ...owner(), inputs: [probe.input], dimensions: null }, signal)
  const [vector = []] = vectors
  if (vector.length !== dimensions)
    throw new Error(`the vector has ${vector.length} numbers: write "dimensions": ${vector.length}`)
  if (!vector.every(Number.isFinite) || vector.every((value) => value === 0))
    throw new Error('the vector is no direction')
  return probe
}

async function answerTensors(
  engine: TensorEngine,
  manifest: ModelManifest,
  probe: TensorProbe,
  signal: AbortSignal,
): Promise<Probe> {
  const request = { modelName: manifest.id, inputs: probe.inputs.map(read), outputs: [], parameters: {} }
  const { outputs } = await engine.infer({ ...owner(), request }, signal)
  if (probe.outputs.some(({ name }) => name === NOTHING.name)) return { ...probe, outputs: recorded(outputs) }
  const tolerance = { rtol: probe.rtol ?? TOLERANCE.rtol, atol: probe.atol ?? TOLERANCE.atol }
  for (const known of probe.outputs.map(read)) {
    const output = outputs.find(({ name }) => name === known.name)
    const mismatch = output ? tensorMismatch(output, known, tolerance) : 'is missing'
    if (mismatch !== null) throw new Error(`output "${known.name}" ${mismatch}`)
  }
  return probe
}

/** The outputs that are small enough to stand in a manifest, as they came. */
function recorded(outputs: readonly Tensor[]): OipTensorJson[] {
  const small = outputs.filter(({ shape }) => elementsOf(shape) <= PUBLISH_LIMITS.probeElements)
  const written = small.flatMap((tensor) => {
    const json = tensorToJson(tensor)
    if (!json.ok) return []
    const { name, datatype, shape } = tensor
    const data: unknown = JSON.parse(json.value)
    const again = tensorFromJson({ name, datatype, shape: [...shape], data })
    // What JSON has rounded is no known answer.
    return again.ok && tensorMismatch(again.value, tensor, TOLERANCE) === null
      ? [{ name, datatype, shape: [...shape], data }]
      : []
  })
  if (written.length === 0)
    throw new Error('no output is small enough to be a known answer: write "probes" into manifest.json')
  return written
}

function read(json: OipTensorJson): Tensor {
  const tensor = tensorFromJson(json)
  if (!tensor.ok) throw new Error(tensor.detail ?? 'it has no tensor')
  return tensor.value
}

function wordsOf(probe: Probe): Exclude<Probe, TensorProbe> {
  if ('input' in probe) return probe
  throw new Error('a model of words is probed in words, not in tensors')
}

function tensorsOf(probe: Probe): TensorProbe {
  if (!('input' in probe)) return probe
  throw new Error(`a model of tensors is probed in tensors, not in words (${[...TENSOR_TASKS].join(', ')})`)
}

// One call of a measurement, per task: made of the model's own probes, so that every model can be measured without anybody writing inputs for it.
import { tensorBytes, type InferRequest, type Tensor } from '../../protocol/oip.ts'
import { tensorFromJson } from '../../protocol/oip-json.ts'
import type { ServedManifest } from '../../protocol/model.ts'
import type { Engine, TextEngine } from '../engines/engine.ts'
import { OperatorError } from '../operator-error.ts'

/** What one call was. */
export interface Done {
  readonly inputTokens: number
  readonly outputTokens: number
  /** of tensors, in and out */
  readonly bytes: number
  readonly vectors: number
  /** ms until the first text; null for what comes in one piece */
  readonly firstMs: number | null
}

/** @param index of the call: inputs take turns @param now ms */
export type Workload = (index: number, signal: AbortSignal) => Promise<Done>

/** Tokens of one measured answer: long enough that reading the prompt is the smaller part. */
const OUTPUT_TOKENS = 64
/** Texts of one embedding call: what indexing programs send. */
const TEXTS = 8
/** where the manifest was taken from the gateway, which keeps the probes to itself */
const ANY_TEXT = 'What do people in a small town by the sea do on a rainy day?'
const NOTHING = { inputTokens: 0, outputTokens: 0, bytes: 0, vectors: 0, firstMs: null }

/** @throws OperatorError when the model's probes cannot be sent */
export function workloadOf(engine: Engine, manifest: ServedManifest, now: () => number): Workload {
  const owner = { account: 'bench', startBy: Number.MAX_SAFE_INTEGER }
  const texts = (manifest.probes ?? []).flatMap((probe) => ('input' in probe ? [probe.input] : []))
  const textAt = (index: number): string => texts[index % texts.length] ?? ANY_TEXT
  switch (engine.task) {
    case 'chat':
      return (index, signal) => answer(engine, manifest, textAt(index), index, signal, now)
    case 'embeddings':
      return async (index, signal) => {
        const inputs = Array.from({ length: TEXTS }, (_, offset) => textAt(index + offset))
        const { inputTokens, vectors } = await engine.embed({ ...owner, inputs, dimensions: null }, signal)
        return { ...NOTHING, inputTokens, vectors: vectors.length }
      }
    case 'classification':
    case 'ocr':
    case 'tensors': {
      const requests = tensorRequests(manifest)
      return async (index, signal) => {
        const request = requests[index % requests.length]
        if (!request) throw new OperatorError(`${manifest.id} has no probe in tensors to measure it with`)
        const { outputs } = await engine.infer({ ...owner, request }, signal)
        return { ...NOTHING, bytes: tensorBytes(request.inputs) + tensorBytes(outputs) }
      }
    }
    default:
      return engine satisfies never
  }
}

async function answer(
  engine: TextEngine,
  { outputTokensMax }: ServedManifest,
  content: string,
  seed: number,
  signal: AbortSignal,
  now: () => number,
): Promise<Done> {
  const startedAt = now()
  const run = await engine.start(
    {
      account: 'bench',
      startBy: Number.MAX_SAFE_INTEGER,
      prompt: { kind: 'chat', messages: [{ role: 'user', content }] },
      prefix: '',
      outputTokensMax: Math.min(OUTPUT_TOKENS, outputTokensMax),
      // Drawn, as most callers have it; the same seeds at every level, so that levels are compared on the same answers.
      temperature: 1,
      topP: 1,
      topK: 0,
      seed,
      stop: [],
      choices: 1,
      logprobs: null,
      isJson: false,
    },
    signal,
  )
  for await (const _step of run.steps);
  const { outputTokens, firstOutputAt } = await run.ended
  return {
    ...NOTHING,
    inputTokens: run.inputTokens,
    outputTokens,
    firstMs: firstOutputAt === null ? null : firstOutputAt - startedAt,
  }
}

function tensorRequests(manifest: ServedManifest): InferRequest[] {
  return (manifest.probes ?? []).flatMap((probe) => {
    if ('input' in probe) return []
    const inputs: Tensor[] = probe.inputs.map((json) => {
      const read = tensorFromJson(json)
      if (!read.ok) throw new OperatorError(`a probe of ${manifest.id} cannot be read: ${read.code}`)
      return read.value
    })
    return [{ modelName: manifest.id, inputs, outputs: [], parameters: {} }]
  })
}

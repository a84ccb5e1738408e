// What dynamic batching gains and what the engine's queue costs: a graph bound by matrix multiplications, on one runtime thread. Three ways in turns
// within one run: a bare onnxruntime loop at its best batch size, the engine under load, and the engine with one call at a time. Ratios are the result.
import { join } from 'node:path'
import { Tensor, type InferenceSession } from 'onnxruntime-node'
import type { TensorEngine } from '../../provider-node/engines/engine.ts'
import { createOpenSession } from '../../provider-node/engines/onnx/session.ts'
import { aModelFolder, mlp2048 } from '../provider-node/graphs.ts'
import { ENGINE_OPTIONS } from '../provider-node/jobs.ts'
import { anInferJob, aRequest, aTensorEngine, tensor } from '../provider-node/tensors.ts'
import { percentile } from './load.ts'

const isQuick = process.argv.includes('--quick')
const ROUNDS = isQuick ? 2 : 7
const ROUND_MS = isQuick ? 500 : 2_000
const SIZES = [1, 4, 8, 16, 32, 64]
/** Weights of 67 MB: more than a processor's cache, as real models are. */
const LAYERS = 4
const WIDTH = 2048
/** What is to be reached on a machine that nobody else uses; printed beside what was. */
const GOALS = { gain: 4, share: 0.9 }

const graph = mlp2048(LAYERS)
const bare = await aModelFolder(graph)
const open = createOpenSession({ threads: 1, provider: 'cpu', warn: () => undefined })
const { session } = await open(join(bare.model.folder, 'model.onnx'))
try {
  const best = await bestSize(session)
  const { model, remove } = await aModelFolder(graph, { batchMax: best })
  const batches: number[] = []
  const clients = 3 * best
  const observe = { ...ENGINE_OPTIONS.observe, batch: (calls: number) => void batches.push(calls) }
  const engine = await aTensorEngine(model, { concurrencyMax: best, queueMax: clients, observe })
  await compare(session, best, engine, clients, batches)
  await engine.close()
  await remove()
} finally {
  await session.release()
  await bare.remove()
}

/** Rows a second of a loop that does nothing else. */
async function bareLoop(session: InferenceSession, size: number, ms: number): Promise<number> {
  const x = new Tensor('float32', new Float32Array(size * WIDTH).fill(0.5), [size, WIDTH])
  const startedAt = performance.now()
  let rows = 0
  for (; performance.now() - startedAt < ms; rows += size) await session.run({ x })
  return (rows / (performance.now() - startedAt)) * 1_000
}

/** The batch size at which the bare loop is fastest, in the median of turns. */
async function bestSize(session: InferenceSession): Promise<number> {
  const rates = new Map(SIZES.map((size) => [size, [] as number[]]))
  for (let round = 0; round < ROUNDS; round++)
    for (const [size, seen] of rates) seen.push(await bareLoop(session, size, ROUND_MS / 4))
  const medians = [...rates].map(([size, seen]) => ({ size, rate: percentile(seen, 0.5) }))
  console.log(
    `bare onnxruntime, one thread, rows/s by batch size: ${medians.map(({ size, rate }) => `${size}: ${rate.toFixed(0)}`).join(', ')}`,
  )
  return medians.reduce((best, one) => (one.rate > best.rate ? one : best)).size
}

/** Calls a second of so many clients of eight accounts, each sending its next call when the last one ended. */
async function engineLoop(engine: TensorEngine, clients: number, ms: number): Promise<number> {
  const request = aRequest([tensor('x', 'FP32', [1, WIDTH], new Float32Array(WIDTH).fill(0.5))])
  const startedAt = performance.now()
  let calls = 0
  const client = async (account: number) => {
    const { signal } = new AbortController()
    for (; performance.now() - startedAt < ms; calls++)
      await engine.infer(anInferJob(request, { account: String(account % 8) }), signal)
  }
  await Promise.all(Array.from({ length: clients }, (_, account) => client(account)))
  return (calls / (performance.now() - startedAt)) * 1_000
}

async function compare(
  session: InferenceSession,
  best: number,
  engine: TensorEngine,
  clients: number,
  batches: number[],
): Promise<void> {
  const ways = {
    'bare loop': () => bareLoop(session, best, ROUND_MS),
    'engine under load': () => engineLoop(engine, clients, ROUND_MS),
    'one at a time': () => engineLoop(engine, 1, ROUND_MS),
  }
  // The bare session has been driven while its best size was looked for: the engine gets as long, since a fresh one is measurably slower for seconds.
  await engineLoop(engine, clients, (SIZES.length * ROUNDS * ROUND_MS) / 4)
  const rounds: { alone: number; bare: number; loaded: number; size: number }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await ways['one at a time']()
    const before = await ways['bare loop']()
    batches.length = 0
    const loaded = await ways['engine under load']()
    const size = batches.reduce((sum, calls) => sum + calls, 0) / batches.length
    // Measured on both sides of the engine's turn, so that a machine that slows down or speeds up meanwhile tilts nothing.
    const bare = (before + (await ways['bare loop']())) / 2
    rounds.push({ alone, bare, loaded, size })
  }
  const middle = (of: (round: (typeof rounds)[number]) => number) => percentile(rounds.map(of), 0.5)
  console.log(
    `${ROUNDS} rounds of ${ROUND_MS / 1_000} s in turns, batch size ${best}, ${clients} clients, rows/s in the median:`,
  )
  console.log(
    `bare loop ${middle((r) => r.bare).toFixed(0)}, engine under load ${middle((r) => r.loaded).toFixed(0)} (${middle((r) => r.size).toFixed(1)} calls a run), one at a time ${middle((r) => r.alone).toFixed(0)}`,
  )
  const gain = middle((round) => round.loaded / round.alone)
  const share = middle((round) => round.loaded / round.bare)
  console.log(
    `engine under load ÷ one at a time: ${gain.toFixed(2)} (goal ${GOALS.gain}); ÷ bare loop at its best size: ${share.toFixed(2)} (goal ${GOALS.share})`,
  )
}

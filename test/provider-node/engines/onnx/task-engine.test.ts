// The engine around the threads: batches that are formed under load, pools, refusals, cancels and deaths, on the real runtime.
import { setMaxListeners } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import type { EngineOptions } from '../../../../provider-node/engines/create.ts'
import type { TensorEngine } from '../../../../provider-node/engines/engine.ts'
import { createOnnxEngine } from '../../../../provider-node/engines/onnx/onnx-engine.ts'
import type { ModelManifest } from '../../../../protocol/model.ts'
import { eventually } from '../../builders.ts'
import { aGraph, aModelFolder, floatWeights, identity, lookup, mlp2048, slow, sum, value } from '../../graphs.ts'
import { ENGINE_OPTIONS } from '../../jobs.ts'
import { anInferJob, aRequest, aTensorEngine, floatsOf, fp32, tensor } from '../../tensors.ts'

const never = new AbortController().signal
// One signal for all calls of this file.
setMaxListeners(0, never)
const closing: (() => Promise<void>)[] = []
afterAll(() => Promise.all(closing.map((close) => close())))
afterEach(() => vi.restoreAllMocks())

interface Watched {
  readonly engine: TensorEngine
  /** calls of each run */
  readonly batches: number[]
  readonly warnings: [string, object][]
}

async function anEngine(
  graph: Uint8Array,
  manifest: Partial<ModelManifest> = {},
  options: Partial<EngineOptions> = {},
): Promise<Watched> {
  const { model, remove } = await aModelFolder(graph, manifest)
  const batches: number[] = []
  const warnings: [string, object][] = []
  const observe = {
    batch: (calls: number) => batches.push(calls),
    waited: () => undefined,
    warn: (event: string, fields: object) => warnings.push([event, fields]),
  }
  const engine = await aTensorEngine(model, { ...options, observe })
  closing.push(async () => {
    await engine.close()
    await remove()
  })
  return { engine, batches, warnings }
}

/** Takes about 30 ms times its rows. */
const slowRow = (rows = 1) =>
  aRequest([
    fp32(
      'x',
      [rows, 256],
      Array.from({ length: rows * 256 }, (_, i) => i % 7),
    ),
  ])
const SLOW_LAYERS = 150
const index = (at: number) => aRequest([tensor('i', 'INT64', [1], BigInt64Array.of(BigInt(at)))])

describe('batching', () => {
  it('computes what came meanwhile in one run, each call as if it were alone', async () => {
    const { engine, batches } = await anEngine(lookup(), { batchMax: 8 }, { concurrencyMax: 8 })
    const answers = await Promise.all([1, 2, 3, 4, 5].map((at) => engine.infer(anInferJob(index(at)), never)))
    expect(answers.map((answer) => floatsOf(answer))).toEqual([[1], [4], [9], [16], [25]])
    expect(batches).toEqual([1, 4])
  })

  it('is left alone where the manifest says nothing of it', async () => {
    const { engine, batches } = await anEngine(lookup())
    await Promise.all([1, 2, 3].map((at) => engine.infer(anInferJob(index(at)), never)))
    expect(batches).toEqual([1, 1, 1])
  })

  it('keeps calls of other shapes, of two numbers of rows, or without rows apart', async () => {
    const { engine, batches } = await anEngine(sum(), { batchMax: 8 }, { concurrencyMax: 8 })
    const two = (a: number[], b: number[]) =>
      engine.infer(
        anInferJob(
          aRequest([
            fp32('a', a, Array(a.reduce((x, y) => x * y)).fill(1)),
            fp32('b', b, Array(b.reduce((x, y) => x * y)).fill(2)),
          ]),
        ),
        never,
      )
    const answers = await Promise.all([
      two([1, 1], [1, 1]),
      two([1, 2], [1, 2]),
      two([3, 2], [3, 2]),
      two([1, 3], [1, 3]),
      two([2, 3], [1, 3]),
    ])
    expect(answers.map(({ outputs }) => outputs[0]?.shape)).toEqual([
      [1, 1],
      [1, 2],
      [3, 2],
      [1, 3],
      [2, 3],
    ])
    expect(batches).toEqual([1, 2, 1, 1])
  })

  it('lets the guilty call of a batch fail alone', async () => {
    const { engine, batches } = await anEngine(lookup(), { batchMax: 8 }, { concurrencyMax: 8 })
    const answers = await Promise.allSettled([0, 1, 77, 3].map((at) => engine.infer(anInferJob(index(at)), never)))
    expect(
      answers.map((answer) => (answer.status === 'fulfilled' ? floatsOf(answer.value) : answer.reason.code)),
    ).toEqual([[0], [1], 'bad_request', [9]])
    expect(batches).toEqual([1, 3, 1, 1, 1])
  })

  it('refuses a misfit by name without costing its neighbours a second run', async () => {
    const { engine, batches } = await anEngine(lookup(), { batchMax: 8 }, { concurrencyMax: 8 })
    const bad = aRequest([fp32('i', [1], [1])])
    const answers = await Promise.allSettled(
      [index(1), bad, index(2)].map((request) => engine.infer(anInferJob(request), never)),
    )
    expect(answers[1]).toMatchObject({
      reason: { code: 'bad_request', message: 'The input "i" is INT64 [-1], not FP32 [1].' },
    })
    expect(batches).toEqual([1, 1, 1])
  })

  it('gives what is asked for in large batches as alone', async () => {
    const { engine, batches } = await anEngine(mlp2048(), { batchMax: 16 }, { concurrencyMax: 16, queueMax: 64 })
    const request = (seed: number) =>
      aRequest([
        fp32(
          'x',
          [1, 2048],
          Array.from({ length: 2048 }, (_, i) => ((i + seed) % 11) / 11),
        ),
      ])
    const alone = floatsOf(await engine.infer(anInferJob(request(5)), never))
    const answers = await Promise.all(
      Array.from({ length: 33 }, (_, seed) => engine.infer(anInferJob(request(seed)), never)),
    )
    floatsOf(answers[5] ?? { modelName: '', outputs: [] }).forEach((one, at) =>
      expect(one).toBeCloseTo(alone[at] ?? NaN, 4),
    )
    expect(batches).toEqual([1, 1, 16, 16])
  })
})

describe('load', () => {
  it('is refused at the first call beyond the limit, with the time to come back', async () => {
    const { engine } = await anEngine(slow(SLOW_LAYERS), {}, { concurrencyMax: 1, queueMax: 2 })
    const accepted = [1, 2, 3].map(() => engine.infer(anInferJob(slowRow()), never))
    expect(engine.load()).toEqual({ inFlight: 1, waiting: 2 })
    await expect(engine.infer(anInferJob(slowRow()), never)).rejects.toMatchObject({
      code: 'busy',
      options: { retryAfterSeconds: 1 },
    })
    await Promise.all(accepted)
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('of callers who left while they waited costs no run', async () => {
    const { engine, batches } = await anEngine(slow(SLOW_LAYERS))
    const caller = new AbortController()
    const first = engine.infer(anInferJob(slowRow()), never)
    const others = Array.from({ length: 10 }, () => engine.infer(anInferJob(slowRow()), caller.signal))
    caller.abort()
    for (const other of others) await expect(other).rejects.toMatchObject({ code: 'internal' })
    await first
    expect([engine.load(), batches]).toEqual([{ inFlight: 0, waiting: 0 }, [1]])
  })

  it('of who left a batch that the thread held already costs no run either', async () => {
    // Rows of the table, multiplied for a while; an eleventh row would break the whole run.
    const layers = Array.from({ length: 100 }, (_, layer) => ({
      ...{ opType: 'MatMul', input: [`h${layer}`, 'w'] },
      output: [layer === 99 ? 'y' : `h${layer + 1}`],
    }))
    const graph = aGraph({
      nodes: [{ opType: 'Gather', input: ['table', 'i'], output: ['h0'] }, ...layers],
      inputs: [value('i', 'INT64', ['b'])],
      outputs: [value('y', 'FP32', ['b', 256])],
      weights: [
        floatWeights('table', [10, 256], () => 1),
        floatWeights('w', [256, 256], (at) => (at % 257 === 0 ? 1 : 0)),
      ],
    })
    const { engine, batches } = await anEngine(graph, { batchMax: 2 })
    const rows = (at: number, count = 1) =>
      aRequest([tensor('i', 'INT64', [count], new BigInt64Array(count).fill(BigInt(at)))])
    const caller = new AbortController()
    const long = engine.infer(anInferJob(rows(1, 1_000)), never)
    const [good, bad] = [engine.infer(anInferJob(rows(2)), never), engine.infer(anInferJob(rows(77)), caller.signal)]
    caller.abort()
    await expect(bad).rejects.toMatchObject({ code: 'internal' })
    await Promise.all([long, good])
    expect(batches).toEqual([1, 1])
  })

  it('of who has not begun in time is refused while the one before still runs', async () => {
    const { engine, batches } = await anEngine(slow(SLOW_LAYERS * 4))
    let isFirstDone = false
    const first = engine.infer(anInferJob(slowRow(64)), never).then(() => (isFirstDone = true))
    const late = engine.infer(anInferJob(slowRow(), { startBy: Date.now() }), never)
    await expect(late).rejects.toMatchObject({ code: 'busy' })
    expect(isFirstDone).toBe(false)
    await first
    expect(batches).toEqual([1])
  })

  it('of an account with a hundred calls leaves the one call of another its turn', async () => {
    const { engine } = await anEngine(lookup(), {}, { queueMax: 200 })
    const ended: string[] = []
    const call = (account: string) =>
      engine.infer(anInferJob(index(1), { account }), never).then(() => ended.push(account))
    const calls = Array.from({ length: 100 }, () => call('many'))
    await Promise.all([...calls, call('few')])
    expect(ended.indexOf('few')).toBeLessThanOrEqual(2)
  })

  it('is shared by two sessions side by side', async () => {
    const { engine } = await anEngine(slow(SLOW_LAYERS), {}, { sessions: 2 })
    const calls = [1, 2, 3].map(() => engine.infer(anInferJob(slowRow(4)), never))
    expect(engine.load()).toEqual({ inFlight: 2, waiting: 1 })
    await Promise.all(calls)
    expect(engine.describe()).toMatchObject({ engine: 'onnx', provider: 'cpu', threads: 1, sessions: 2 })
  })
})

describe('the thread', () => {
  const dying = async (sessions: number) => {
    const workers = new Set<Worker>()
    const original: unknown = Reflect.get(Worker.prototype, 'postMessage')
    if (typeof original !== 'function') throw new Error('no method')
    vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, ...given) {
      workers.add(this)
      return Reflect.apply(original, this, given)
    })
    const { engine } = await anEngine(slow(SLOW_LAYERS), {}, { sessions })
    const calls = [1, 2, 3].map(() => engine.infer(anInferJob(slowRow(8)), never))
    const outcomes = Promise.allSettled(calls)
    await Promise.all([...workers].slice(0, 1).map((worker) => worker.terminate()))
    return { engine, outcomes: await outcomes }
  }

  it('that dies takes its calls with it, and the engine says so', async () => {
    const { engine, outcomes } = await dying(1)
    expect(await engine.died).toBe('its thread ended')
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(engine.isRunning()).toBe(false)
    await expect(engine.infer(anInferJob(slowRow()), never)).rejects.toMatchObject({ code: 'internal' })
    expect(engine.load()).toEqual({ inFlight: 0, waiting: 0 })
  })

  it('that dies beside another ends the engine too', async () => {
    const { engine, outcomes } = await dying(2)
    expect(await engine.died).toBe('its thread ended')
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThanOrEqual(1)
    await eventually(() => engine.load().inFlight === 0)
    expect(engine.isRunning()).toBe(false)
  })

  it('that is closed is no death, and refuses whoever comes', async () => {
    const { engine } = await anEngine(identity('FP32'))
    let hasDied = false
    void engine.died.then(() => (hasDied = true))
    await engine.close()
    await expect(engine.infer(anInferJob(aRequest([fp32('x', [1], [1])])), never)).rejects.toMatchObject({
      code: 'internal',
    })
    expect(hasDied).toBe(false)
  })
})

describe('loading', () => {
  it('falls back to cpu with one warning that names the model', async () => {
    const { engine, warnings } = await anEngine(identity('FP32'), {}, { executionProvider: 'nonsense', sessions: 2 })
    expect(engine.describe()).toMatchObject({ provider: 'cpu' })
    expect(warnings).toEqual([
      ['provider_fallback', { model: 'test/graph', provider: 'nonsense', cause: expect.stringContaining('nonsense') }],
    ])
    expect(floatsOf(await engine.infer(anInferJob(aRequest([fp32('x', [1], [4])])), never))).toEqual([4])
  })

  it('of a file that is no graph is refused by one sentence', async () => {
    const { model, remove } = await aModelFolder(new TextEncoder().encode('no graph'))
    await expect(createOnnxEngine(model, ENGINE_OPTIONS)).rejects.toThrow(/^model test\/graph could not be loaded: /)
    await remove()
  })

  it('leaves the bytes of the caller as they were: they may be parts of a body that is hashed', async () => {
    const { engine } = await anEngine(identity('FP32'))
    const body = new Uint8Array(1_003)
    body.fill(7)
    const input = { name: 'x', datatype: 'FP32' as const, shape: [100], data: body.subarray(3, 403) }
    const { outputs } = await engine.infer(anInferJob(aRequest([input])), never)
    expect(body.byteLength).toBe(1_003)
    expect(input.data).toEqual(new Uint8Array(400).fill(7))
    expect(outputs[0]?.data).toEqual(input.data)
  })
})

// Any graph, asked in its own tensors: every type to the bit, every misfit by name, nothing beyond its ceiling. The runtime is the real one.
import { InferenceSession } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { DATATYPE_BYTES, type Datatype, type InferAnswer, type InferRequest } from '../../../../../protocol/oip.ts'
import type { ModelManifest } from '../../../../../protocol/model.ts'
import { createOpenSession } from '../../../../../provider-node/engines/onnx/session.ts'
import { loadTensors } from '../../../../../provider-node/engines/onnx/runners/tensors.ts'
import type { TaskRunner } from '../../../../../provider-node/engines/onnx/task-runner.ts'
import { aGraph, aModelFolder, floatWeights, identity, lookup, mlp2048, sum, value, zeros } from '../../../graphs.ts'
import { aRequest, floatsOf, fp32, strings, tensor } from '../../../tensors.ts'

type Runner = TaskRunner<InferRequest, InferAnswer>
const closing: (() => Promise<void>)[] = []
afterAll(() => Promise.all(closing.map((close) => close())))

async function aRunner(graph: Uint8Array, manifest: Partial<ModelManifest> = {}): Promise<Runner> {
  const { model, remove } = await aModelFolder(graph, manifest)
  closing.push(remove)
  const open = createOpenSession({ threads: 1, provider: 'cpu', warn: () => undefined })
  const runner = await loadTensors(model.folder, model.manifest, open)
  closing.push(() => runner.close())
  return runner
}

const answered = async (runner: Runner, request: InferRequest): Promise<InferAnswer> => {
  const [answer] = await runner.run([request])
  if (!answer || 'refused' in answer) throw new Error(answer?.message ?? 'no answer')
  return answer
}
const refusal = async (runner: Runner, request: InferRequest): Promise<string> => {
  const [answer] = await runner.run([request])
  if (!answer || !('refused' in answer)) throw new Error('it was computed')
  expect(answer.refused).toBe('bad_request')
  return answer.message
}

/** Bit patterns that a conversion would not survive: extremes, signed zero, denormals, infinities, NaNs with payloads, quiet and signalling. */
const EXTREMES: Partial<Record<Datatype, readonly bigint[]>> = {
  BOOL: [0n, 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n, -1n, 0n, 2n ** 53n + 1n],
  UINT64: [2n ** 64n - 1n, 2n ** 63n, 0n],
  FP16: [0x7c00n, 0xfc00n, 0x7c01n, 0x7e00n, 0xffffn, 0x8000n, 0x0001n, 0x7bffn],
  FP32: [0x7f800000n, 0xff800000n, 0x7f800001n, 0x7fc00000n, 0xffffffffn, 0x80000000n, 0x00000001n, 0x7f7fffffn],
  FP64: [0x7ff0000000000000n, 0x7ff0000000000001n, 0xfff8000000000123n, 0x8000000000000000n, 1n, 0x7fefffffffffffffn],
}
const fixed = (Object.keys(DATATYPE_BYTES) as Datatype[]).filter((type) => type !== 'BYTES' && type !== 'BF16') // keys

function bytesOf(datatype: Datatype): Uint8Array {
  const size = DATATYPE_BYTES[datatype] ?? 1
  const bits = size * 8
  const patterns = EXTREMES[datatype] ?? [
    0n,
    1n,
    2n ** BigInt(bits) - 1n,
    2n ** BigInt(bits - 1),
    2n ** BigInt(bits - 1) - 1n,
  ]
  const data = new Uint8Array(patterns.length * size)
  patterns.forEach((pattern, index) => {
    for (let byte = 0; byte < size; byte++) data[index * size + byte] = Number((pattern >> BigInt(8 * byte)) & 255n)
  })
  return data
}

describe('every type', () => {
  it.each(fixed)('%s comes back to the bit, also from bytes that lie askew', async (datatype) => {
    const runner = await aRunner(identity(datatype))
    const data = bytesOf(datatype)
    const askew = new Uint8Array(data.length + 1)
    askew.set(data, 1)
    const shape = [data.length / (DATATYPE_BYTES[datatype] ?? 1)]
    for (const bytes of [data, askew.subarray(1), Buffer.from(askew).subarray(1)]) {
      const { outputs } = await answered(runner, aRequest([{ name: 'x', datatype, shape, data: bytes }]))
      expect(outputs).toEqual([{ name: 'y', datatype, shape, data }])
    }
  })

  it('BYTES comes back as the same text, whatever the script', async () => {
    const runner = await aRunner(identity('BYTES'))
    const words = strings('x', ['', 'plain', 'é𝒳🐸', '\ufeffmark', 'line\nbreak', ' '.repeat(5_000)])
    expect((await answered(runner, aRequest([words]))).outputs[0]?.data).toEqual(words.data)
  })

  it.each([
    ['no UTF-8', Uint8Array.of(0xff, 0xfe)],
    ['half a character', Uint8Array.of(0xe2, 0x82)],
    ['a zero byte, behind which the runtime would forget the rest', Uint8Array.of(0x61, 0, 0x62)],
  ])('BYTES that are %s are refused by name', async (_, bytes) => {
    const runner = await aRunner(identity('BYTES'))
    expect(await refusal(runner, aRequest([strings('x', ['fine', bytes])]))).toBe(
      'The tensor "x" is BYTES, and this model takes UTF-8 text without zero bytes.',
    )
  })

  it('BOOL is the byte 0 or 1', async () => {
    const runner = await aRunner(identity('BOOL'))
    expect(await refusal(runner, aRequest([tensor('x', 'BOOL', [2], Uint8Array.of(1, 2))]))).toContain('"x" is BOOL')
  })

  it('BF16 is not to be had: the runtime itself refuses such a graph', async () => {
    await expect(aRunner(identity('BF16'))).rejects.toThrow('Unsupported data type: 16')
    await expect(InferenceSession.create(identity('BF16'))).rejects.toThrow('Unsupported data type: 16')
  })
})

describe('shapes', () => {
  it('may have no dimensions', async () => {
    const runner = await aRunner(identity('FP32', []))
    const { outputs } = await answered(runner, aRequest([fp32('x', [], [7])]))
    expect(outputs).toEqual([{ ...fp32('y', [], [7]) }])
  })

  it.each([[[0]], [[2, 0, 3]], [[0, 0]]])('may be empty: %j', async (shape) => {
    const runner = await aRunner(
      identity(
        'FP32',
        shape.map((_, index) => `d${index}`),
      ),
    )
    expect((await answered(runner, aRequest([fp32('x', shape, [])]))).outputs[0]?.shape).toEqual(shape)
    const words = await aRunner(identity('BYTES'))
    expect((await answered(words, aRequest([strings('x', [])]))).outputs[0]?.data.byteLength).toBe(0)
  })

  it('may be unknown to the graph', async () => {
    const runner = await aRunner(identity('FP32', null))
    expect((await answered(runner, aRequest([fp32('x', [1, 2, 1], [3, 4])]))).outputs[0]?.shape).toEqual([1, 2, 1])
  })
})

describe('a call that does not fit', () => {
  const [a, b] = [fp32('a', [1, 2], [1, 2]), fp32('b', [1, 2], [3, 4])]
  it.each([
    [[a], 'The input "b" is missing.'],
    [[a, b, fp32('c', [1], [1])], 'The model has no input "c".'],
    [[a, a, b], 'The input "a" is given twice.'],
    [[a, { ...b, datatype: 'INT32' as const }], 'The input "b" is FP32 [-1,2], not INT32 [1,2].'],
    [[a, { ...b, shape: [2] }], 'The input "b" is FP32 [-1,2], not FP32 [2].'],
    [[a, { ...b, shape: [2, 1] }], 'The input "b" is FP32 [-1,2], not FP32 [2,1].'],
    [[a, { ...b, shape: [2, 2] }], 'The bytes of the input "b" are not those of its shape.'],
    [[a, { ...b, data: b.data.subarray(1) }], 'The bytes of the input "b" are not those of its shape.'],
  ])('is told which tensor it is (%#)', async (inputs, message) => {
    expect(await refusal(await aRunner(sum('FP32', ['rows', 2])), aRequest(inputs))).toBe(message)
  })

  it('is refused when the graph cannot compute it, in words that quote nothing', async () => {
    const runner = await aRunner(lookup())
    const beyond = aRequest([tensor('i', 'INT64', [1], BigInt64Array.of(77n))])
    expect(await refusal(runner, beyond)).toBe('The model could not be computed with these inputs.')
    const inside = aRequest([tensor('i', 'INT64', [1], BigInt64Array.of(9n))])
    expect(floatsOf(await answered(runner, inside))).toEqual([81])
  })

  it('is refused when it asks for more memory than any machine has, and the next one is computed', async () => {
    const runner = await aRunner(zeros())
    const many = (count: bigint) => aRequest([tensor('n', 'INT64', [1], BigInt64Array.of(count))])
    for (const count of [2n ** 50n, 2n ** 62n, -1n])
      expect(await refusal(runner, many(count))).toBe('The model could not be computed with these inputs.')
    expect(floatsOf(await answered(runner, many(2n)))).toEqual([0, 0])
  })
})

describe('outputs', () => {
  const inputs = [fp32('a', [1, 1], [5]), fp32('b', [1, 1], [3])]

  it('are all, in the order of the graph, or those asked for, in the order asked for', async () => {
    const runner = await aRunner(sum())
    const names = async (outputs: string[]) =>
      (await answered(runner, aRequest(inputs, { outputs }))).outputs.map(({ name }) => name)
    expect(await names([])).toEqual(['sum', 'difference'])
    expect(await names(['difference', 'sum'])).toEqual(['difference', 'sum'])
    expect(await names(['difference'])).toEqual(['difference'])
    expect(floatsOf(await answered(runner, aRequest(inputs, { outputs: ['difference'] })))).toEqual([2])
  })

  it.each([
    [['quotient'], 'The model has no output "quotient".'],
    [['sum', 'sum'], 'The output "sum" is asked for twice.'],
  ])('that cannot be had are refused: %j', async (outputs, message) => {
    expect(await refusal(await aRunner(sum()), aRequest(inputs, { outputs }))).toBe(message)
  })

  const SPEC = { inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [-1] }] }

  it('may take up to the bytes of the manifest, and not one more', async () => {
    const outputs = [{ name: 'y', datatype: 'FP32' as const, shape: [-1] }]
    const runner = await aRunner(identity('FP32'), { tensors: { ...SPEC, outputs, outputBytesMax: 12 } })
    expect(floatsOf(await answered(runner, aRequest([fp32('x', [3], [1, 2, 3])])))).toEqual([1, 2, 3])
    const message = 'The outputs of this call are more than 12 bytes.'
    expect(await refusal(runner, aRequest([fp32('x', [4], [1, 2, 3, 4])]))).toBe(message)
  })

  it('whose size only the run tells are refused behind it', async () => {
    const tensors = {
      inputs: [{ name: 'n', datatype: 'INT64' as const, shape: [1] }],
      outputs: [{ name: 'y', datatype: 'FP32' as const, shape: [-1] }],
      outputBytesMax: 400,
    }
    const runner = await aRunner(zeros(), { tensors })
    const many = (count: bigint) => aRequest([tensor('n', 'INT64', [1], BigInt64Array.of(count))])
    expect(floatsOf(await answered(runner, many(100n)))).toHaveLength(100)
    expect(await refusal(runner, many(101n))).toBe('The outputs of this call are more than 400 bytes.')
  })

  it('of a graph that would make gigabytes are refused before it runs, where shapes tell', async () => {
    const wide = aGraph({
      nodes: [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }],
      inputs: [value('x', 'FP32', ['b', 1])],
      outputs: [value('y', 'FP32', ['b', 1_000])],
      weights: [floatWeights('w', [1, 1_000], () => 1)],
    })
    const runner = await aRunner(wide)
    const startedAt = performance.now()
    const rows = 1_000_000
    const message = 'The outputs of this call are more than 16777216 bytes.'
    expect(await refusal(runner, aRequest([tensor('x', 'FP32', [rows, 1], new Float32Array(rows))]))).toBe(message)
    // The 4 GB would take seconds.
    expect(performance.now() - startedAt).toBeLessThan(500)
  })
})

describe('a graph that is more than tensors', () => {
  const SEQUENCE = { name: 'many', type: { sequenceType: { elemType: { tensorType: { elemType: 1 } } } } }
  const withSequence = aGraph({
    nodes: [
      { opType: 'Identity', input: ['x'], output: ['y'] },
      { opType: 'SequenceConstruct', input: ['x'], output: ['many'] },
    ],
    inputs: [value('x', 'FP32', ['n'])],
    outputs: [SEQUENCE, value('y', 'FP32', ['n'])],
  })
  const SLOT = (name: string) => ({ name, datatype: 'FP32' as const, shape: [-1] })

  it('serves the tensors its manifest names, and says of the others what they are', async () => {
    const tensors = { inputs: [SLOT('x')], outputs: [SLOT('y')], outputBytesMax: 100 }
    const runner = await aRunner(withSequence, { tensors })
    const request = aRequest([fp32('x', [1], [1])])
    expect((await answered(runner, request)).outputs.map(({ name }) => name)).toEqual(['y'])
    expect(await refusal(runner, { ...request, outputs: ['many'] })).toBe(
      'The output "many" is a sequence, a map or optional, and no tensor.',
    )
  })

  it('is not loaded when its manifest does not say which', async () => {
    await expect(aRunner(withSequence)).rejects.toThrow('its output many is no tensor')
  })

  it('gives an input with a value of its own that value, and takes no other: the runtime does not', async () => {
    const graph = aGraph({
      nodes: [{ opType: 'Add', input: ['x', 'w'], output: ['y'] }],
      inputs: [value('x', 'FP32', ['n']), value('w', 'FP32', [1])],
      outputs: [value('y', 'FP32', ['n'])],
      weights: [floatWeights('w', [1], () => 5)],
    })
    const runner = await aRunner(graph)
    expect(floatsOf(await answered(runner, aRequest([fp32('x', [1], [1])])))).toEqual([6])
    expect(await refusal(runner, aRequest([fp32('x', [1], [1]), fp32('w', [1], [9])]))).toBe(
      'The model has no input "w".',
    )
  })

  it.each([
    ['a missing output', { inputs: [SLOT('x')], outputs: [SLOT('z')] }, 'it has no output z'],
    ['a missing input', { inputs: [SLOT('x'), SLOT('v')], outputs: [SLOT('y')] }, 'it has no input v'],
    [
      'an input it keeps silent about',
      { inputs: [SLOT('v')], outputs: [SLOT('y')] },
      'its input x is not in the manifest',
    ],
    [
      'another type',
      { inputs: [{ ...SLOT('x'), datatype: 'INT8' as const }], outputs: [SLOT('y')] },
      'its input x is FP32 [-1]',
    ],
    ['another rank', { inputs: [{ ...SLOT('x'), shape: [-1, 2] }], outputs: [SLOT('y')] }, 'its input x is FP32 [-1]'],
  ])('is not loaded when the manifest says something else of it: %s', async (_, tensors, message) => {
    const load = aRunner(identity('FP32'), { tensors: { ...tensors, outputBytesMax: 100 } })
    await expect(load).rejects.toThrow(message)
  })

  it('is held to the dimensions its manifest fixes', async () => {
    const tensors = { inputs: [{ ...SLOT('x'), shape: [2] }], outputs: [SLOT('y')], outputBytesMax: 100 }
    const runner = await aRunner(identity('FP32'), { tensors })
    expect(floatsOf(await answered(runner, aRequest([fp32('x', [2], [1, 2])])))).toEqual([1, 2])
    expect(await refusal(runner, aRequest([fp32('x', [1], [1])]))).toBe('The input "x" is FP32 [2], not FP32 [1].')
  })
})

describe('a batch', () => {
  const rows = (count: number, from: number) =>
    aRequest([
      fp32(
        'x',
        [count, 2048],
        Array.from({ length: count * 2048 }, (_, i) => from + (i % 13)),
      ),
    ])

  it('answers each call as if it were alone, within the tolerance of floats', async () => {
    const runner = await aRunner(mlp2048(), { batchMax: 16 })
    const jobs = [rows(1, 0), rows(3, 1), rows(0, 2), rows(2, -5)]
    const together = await runner.run(jobs)
    for (const [index, job] of jobs.entries()) {
      const alone = await answered(runner, job)
      const beside = together[index]
      if (!beside || 'refused' in beside) throw new Error('refused')
      expect(beside.outputs[0]?.shape).toEqual(alone.outputs[0]?.shape)
      const [expected, actual] = [floatsOf(alone), floatsOf(beside)]
      expect(actual).toHaveLength(expected.length)
      actual.forEach((one, at) => expect(Math.abs(one - (expected[at] ?? 0))).toBeLessThan(1e-3))
    }
  })

  it('cuts strings apart too', async () => {
    const runner = await aRunner(identity('BYTES'), { batchMax: 4 })
    const jobs = [strings('x', ['a', 'bcd']), strings('x', []), strings('x', ['é'])]
    const answers = await runner.run(jobs.map((job) => aRequest([job])))
    expect(answers.map((answer) => ('refused' in answer ? null : answer.outputs[0]?.data))).toEqual(
      jobs.map(({ data }) => data),
    )
  })

  it('refuses one misfit and computes its neighbours', async () => {
    const runner = await aRunner(identity('FP32'), { batchMax: 4 })
    const answers = await runner.run([
      aRequest([fp32('x', [1], [1])]),
      aRequest([fp32('z', [1], [2])]),
      aRequest([fp32('x', [1], [3])]),
    ])
    expect(answers.map((answer) => ('refused' in answer ? answer.message : floatsOf(answer)))).toEqual([
      [1],
      'The model has no input "z".',
      [3],
    ])
  })

  it('of a graph that mixes its rows is computed call by call', async () => {
    const total = aGraph({
      nodes: [{ opType: 'ReduceSum', input: ['x'], output: ['y'] }],
      inputs: [value('x', 'FP32', ['b'])],
      outputs: [value('y', 'FP32', [1])],
    })
    const runner = await aRunner(total, { batchMax: 4 })
    for (let again = 0; again < 2; again++) {
      const answers = await runner.run(
        [
          [1, 2],
          [3, 4],
        ].map((values) => aRequest([fp32('x', [2], values)])),
      )
      expect(answers.map((answer) => ('refused' in answer ? null : floatsOf(answer)))).toEqual([[3], [7]])
    }
  })
})

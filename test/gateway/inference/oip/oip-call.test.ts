// Calls of tensor models: the same in either form, paid by the byte, believed only as far as the model's manifest goes.
import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../../protocol/canonical.ts'
import { type InferAnswer, type Tensor } from '../../../../protocol/oip.ts'
import { decodeRequest, encodeAnswer } from '../../../../protocol/oip-canonical.ts'
import { HEADER_LENGTH } from '../../../../protocol/oip-framing.ts'
import { readTicket } from '../../../../protocol/ticket.ts'
import { nodeIdOf, type ScriptedNode } from '../call-house.ts'
import {
  answerOf,
  aTensorHouse,
  computed,
  ids,
  OUTPUT_BYTES_MAX,
  tensorModel,
  tensorNode,
  words,
} from '../tensor-house.ts'

const START = 1_000_000_000n
const spent = async (house: Awaited<ReturnType<typeof aTensorHouse>>) =>
  START - (await house.account.balance()).availableNanos
const FORMS: [string, (name: string) => boolean][] = [
  ['in JSON', () => false],
  ['in binary', () => true],
  ['mixed', (name) => name === 'ids'],
]
const INPUTS = [
  ids(2n ** 63n - 1n, -(2n ** 63n), 9_007_199_254_740_993n, 0n),
  words('eins', 'zw\u00f6lf \ud83d\ude00', ''),
]
const REQUEST = { modelName: 'test/tensors', inputs: INPUTS, outputs: [], parameters: {} }

describe.each(FORMS)('a call %s', (_, isBinary) => {
  it('gives exactly what the node computed, 64-bit integers to the last digit', async () => {
    const house = await aTensorHouse()
    const answer = answerOf(await house.infer({ inputs: INPUTS, isBinary }))
    expect(answer.outputs).toEqual(computed(REQUEST))
    // In whichever form it came, the node got the same bytes.
    const sent = decodeRequest(house.sent[0]?.body as Uint8Array)
    expect(sent).toEqual({ ok: true, value: REQUEST })
    const ticket = readTicket(house.sent[0]?.ticket ?? '')
    expect(ticket?.bodySha256).toBe(sha256Hex(house.sent[0]?.body ?? ''))
  })

  it('has the outputs asked for, and the id it was given', async () => {
    const house = await aTensorHouse()
    const answer = answerOf(await house.infer({ outputs: ['scores'], id: 'mine', isBinary }))
    expect(answer.outputs.map(({ name }) => name)).toEqual(['scores'])
    expect(answer.id).toBe('mine')
  })
})

describe('the charge', () => {
  it('is the bytes in and out at the node’s price, rounded up once, and its price per call', async () => {
    const house = await aTensorHouse()
    const { response, body } = await house.infer()
    // In: 16 of ids, 7 of words. Out: the same and 4 of scores. 50 bytes at 0.3 nanos, and a nano for the call.
    expect(await spent(house)).toBe(16n)
    expect(response.headers.get('x-souk-cost')).toBe('0.000000016')
    // At most: 23 bytes in, 1,000 out: 306.9 nanos, and one.
    expect(response.headers.get('x-souk-hold')).toBe('0.000000308')
    expect(readTicket(house.sent[0]?.ticket ?? '')?.tensorBytesMax).toBe(23 + OUTPUT_BYTES_MAX)
    const callId = response.headers.get('x-souk-call-id')
    expect(answerOf({ response, body }).parameters).toEqual({
      souk_call_id: callId,
      souk_node: nodeIdOf(0),
      souk_cost: '0.000000016',
      souk_salt: readTicket(house.sent[0]?.ticket ?? '')?.salt,
    })
    expect(response.headers.get('server-timing')).toMatch(/^gateway;dur=/)
    const told = await (await house.get(`/v1/generation?id=${callId}`)).json<{ data: { usage: object } }>()
    expect(told.data.usage).toMatchObject({ tensor_bytes: 50, total_tokens: 0, cost: '0.000000016' })
  })

  it('rounds a part of a nano up', async () => {
    const house = await aTensorHouse()
    await house.infer({ outputs: ['scores'] })
    // 27 bytes are 8.1 nanos.
    expect(await spent(house)).toBe(10n)
  })

  it('is the maximum when the answer has as many bytes as the model may give, and nothing at one more', async () => {
    const long = (bytes: number): ScriptedNode =>
      tensorNode(({ modelName }) => {
        const data = new Uint8Array(bytes)
        new DataView(data.buffer).setUint32(0, bytes - 4, true)
        return encodeAnswer({ modelName, outputs: [{ name: 'words', datatype: 'BYTES', shape: [1], data }] }, null)
      })
    const house = await aTensorHouse({ nodes: [long(OUTPUT_BYTES_MAX)] })
    expect((await house.infer({ outputs: ['words'] })).response.status).toBe(200)
    expect(await spent(house)).toBe(308n)
    const over = await aTensorHouse({ nodes: [long(OUTPUT_BYTES_MAX + 1)] })
    expect((await over.infer({ outputs: ['words'] })).response.status).toBe(502)
    expect(await over.account.balance()).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
  })

  it('is that of a whole answer also when it has no bytes', async () => {
    const house = await aTensorHouse()
    const answer = answerOf(await house.infer({ inputs: [ids(), words()] }))
    expect(answer.outputs.map(({ shape }) => shape)).toEqual([[0, 2], [0], [0]])
    expect(await spent(house)).toBe(1n)
  })

  it('must be covered by the balance as far as it can go', async () => {
    const house = await aTensorHouse({ usd: '0.000000307' })
    const { response } = await house.infer()
    expect(response.status).toBe(402)
    expect(await response.json()).toMatchObject({ code: 'insufficient_funds' })
    expect(house.sent).toEqual([])
  })
})

/** A draw that begins with the first of two equal offers. */
const firstFirst = (length: number) => new Uint8Array(length).fill(1)

describe('a node that answers anything but the tensors asked for is not paid, and another is asked', () => {
  const without = (answer: InferAnswer, change: (outputs: Tensor[]) => Tensor[]) =>
    encodeAnswer({ ...answer, outputs: change([...answer.outputs]) }, null)
  const changed = (name: string, over: Partial<Tensor>) => (outputs: Tensor[]) =>
    outputs.map((tensor) => (tensor.name === name ? { ...tensor, ...over } : tensor))
  const lying: [string, ScriptedNode][] = [
    ['an output too few', tensorNode((answer) => without(answer, (outputs) => outputs.slice(1)))],
    [
      'an output twice',
      tensorNode((answer) => without(answer, ([first, ...rest]) => (first ? [first, first, ...rest] : []))),
    ],
    [
      'an output nobody asked for',
      tensorNode((answer) => without(answer, (outputs) => [...outputs, { ...words('x'), name: 'other' }])),
    ],
    ['another type', tensorNode((answer) => without(answer, changed('ids', { datatype: 'UINT64' })))],
    ['another rank', tensorNode((answer) => without(answer, changed('ids', { shape: [2] })))],
    ['another size of a fixed dimension', tensorNode((answer) => without(answer, changed('ids', { shape: [2, 1] })))],
    ['another model’s name', tensorNode((answer) => encodeAnswer({ ...answer, modelName: 'test/other' }, null))],
    ['bytes beyond its tensors', tensorNode((answer) => new Uint8Array([...encodeAnswer(answer, null), 0]))],
    ['an answer cut short', tensorNode((answer) => encodeAnswer(answer, null).slice(0, -1))],
    ['JSON', () => Response.json({ outputs: [] })],
    ['nothing', () => new Response(null)],
    ['an error', () => Response.json({ error: { code: 'internal' } }, { status: 500 })],
    ['no end', () => new Response(endless())],
  ]
  it.each(lying)('%s', async (_, node) => {
    const house = await aTensorHouse({ nodes: [node, tensorNode()], random: firstFirst })
    const { response, settled } = await house.infer()
    await settled()
    expect(response.status).toBe(200)
    expect(response.headers.get('x-souk-node')).toBe(nodeIdOf(1))
    expect(house.reports.map(({ nodeId, outcome, fault }) => [nodeId, outcome, fault])).toEqual([
      [nodeIdOf(0), 'provider_failed', 'node'],
      [nodeIdOf(1), 'served', 'none'],
    ])
    expect(await spent(house)).toBe(16n)
  })

  it('and when there is no other, the caller pays nothing', async () => {
    const house = await aTensorHouse({ nodes: [lying[0]![1]] })
    const { response } = await house.infer()
    expect(response.status).toBe(502)
    expect(await house.account.balance()).toEqual({ availableNanos: START, heldNanos: 0n, vestingNanos: 0n })
  })
})

/** Bytes without end, as fast as they are taken. */
function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)) })
}

describe('time', () => {
  it('for the first output grows with the bytes of the input, and the head may come with it', async () => {
    const slow: ScriptedNode = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 250))
      return tensorNode()(request)
    }
    const big = words('x'.repeat(400_000))
    const timeouts = { connectMs: 20, firstTokenMs: 20 }
    const house = await aTensorHouse({ nodes: [slow], timeouts })
    expect((await house.infer({ inputs: [ids(), big], outputs: ['scores'] })).response.status).toBe(200)
    const { response } = await house.infer()
    expect(response.status).toBe(504)
  })

  it('between two pieces of an answer is that between two outputs', async () => {
    const stuck: ScriptedNode = tensorNode()
    const house = await aTensorHouse({
      nodes: [
        async (request) => {
          const whole = new Uint8Array(await (await stuck(request)).arrayBuffer())
          return new Response(
            new ReadableStream({ start: (controller) => controller.enqueue(whole.subarray(0, 10)) }), // and then nothing
          )
        },
      ],
      timeouts: { gapMs: 50 },
    })
    expect((await house.infer()).response.status).toBe(504)
  })
})

describe('an output that JSON cannot say', () => {
  const raw = tensorNode(({ modelName }) => encodeAnswer({ modelName, outputs: [words(new Uint8Array([0xff]))] }, null))
  it('comes in binary beside JSON that was asked for, and is paid: the work was done', async () => {
    const both = tensorNode(({ modelName, outputs }) => {
      const others = outputs.filter(({ name }) => name !== 'words')
      return encodeAnswer({ modelName, outputs: [...others, words(new Uint8Array([0xff]))] }, null)
    })
    const house = await aTensorHouse({ nodes: [both] })
    const call = await house.infer()
    await call.settled()
    expect(call.response.status).toBe(200)
    expect(call.response.headers.get('content-type')).toBe('application/octet-stream')
    const length = Number(call.response.headers.get(HEADER_LENGTH))
    const header: unknown = JSON.parse(new TextDecoder().decode(call.body.subarray(0, length)))
    expect(header).toMatchObject({
      outputs: [
        { name: 'ids', data: [1, 2] },
        { name: 'scores', data: [3] },
        { name: 'words', parameters: { binary_data_size: 5 } },
      ],
    })
    expect(answerOf(call).outputs.at(-1)).toEqual(words(new Uint8Array([0xff])))
    expect(call.response.headers.get('x-souk-cost')).not.toBe('0.000000000')
    expect(house.reports.map(({ fault }) => fault)).toEqual(['none'])
  })

  it('is answered in binary', async () => {
    const house = await aTensorHouse({ nodes: [raw] })
    const answer = answerOf(await house.infer({ outputs: ['words'], isBinary: () => true }))
    expect(answer.outputs).toEqual([words(new Uint8Array([0xff]))])
  })
})

it('a long answer in JSON is sent in pieces and is the same', async () => {
  const data = new Uint8Array(Float32Array.from({ length: 70_000 }, (_, i) => i / 7).buffer)
  const scores = { name: 'scores', datatype: 'FP32', shape: [70_000], data } as const
  const node = tensorNode(({ modelName }) => encodeAnswer({ modelName, outputs: [scores] }, null))
  const house = await aTensorHouse({ nodes: [node], model: tensorModel({}, 1_000_000) })
  const call = await house.infer({ outputs: ['scores'] })
  expect(call.response.headers.has('content-length')).toBe(false)
  expect(call.body.byteLength).toBeGreaterThan(1024 * 1024)
  expect(answerOf(call).outputs.map(({ data }) => sha256Hex(data))).toEqual([sha256Hex(data)])
})

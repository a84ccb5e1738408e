// Models of tensors at the door: a node is let in when it gives the known outputs, in the form and under the ticket that a call would have.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { decodeRequest, encodeAnswer } from '../../../../protocol/oip-canonical.ts'
import {
  stringsToBytes,
  tensorBytes,
  type InferAnswer,
  type InferRequest,
  type Tensor,
} from '../../../../protocol/oip.ts'
import type { NodeView } from '../../../../protocol/node.ts'
import { aTensorManifest, anOfferRequest, OPERATOR } from '../builders.ts'
import { createFakeNode, newKey, type FakeNode, type Misbehaviour } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, type MarketApp } from '../market-app.ts'

const MANIFEST = aTensorManifest()
/** two floats; two words with their lengths */
const INPUT_BYTES = 8 + 4 + 1 + 4 + 2

const floats = (...values: number[]) => new Uint8Array(new Float32Array(values).buffer)
/** The answer, with some of its tensors' fields changed by name. */
const giving =
  (over: Record<string, Partial<Tensor>>) =>
  ({ modelName, inputs }: InferRequest): InferAnswer => ({
    modelName,
    outputs: inputs.map((tensor) => ({ ...tensor, ...over[tensor.name] })),
  })

let app: MarketApp
let node: FakeNode
beforeAll(async () => {
  app = await createMarketApp()
  await addWallet()
  expect((await app.publish(MANIFEST)).status).toBe(201)
})
beforeEach(async () => {
  node = await createFakeNode(app.now)
  app.connect(node)
})

async function registered(bad: Misbehaviour = {}) {
  node.bad = bad
  const body = await aRegistration(node, app.now(), { offers: [anOfferRequest(MANIFEST)] })
  const { id } = (await app.send<NodeView>('POST', '/api/nodes', { account: OPERATOR, body })).body
  return app.node(id)
}

describe('a node that offers a model of tensors', () => {
  it('is let in when its outputs are the known ones', async () => {
    expect(await registered()).toMatchObject({ state: 'probation', offers: [{ state: 'live', reason: null }] })
  })

  it('is asked in the canonical form, under the ticket of a call: input bytes and the most that may come back', async () => {
    await registered()
    const [call] = node.calls.filter(({ path }) => path === '/v2/infer')
    const request = decodeRequest(call?.body as Uint8Array) // tensors are never text
    expect(request).toMatchObject({ ok: true, value: { modelName: 'maker/graph', outputs: [], parameters: {} } })
    expect(request.ok && tensorBytes(request.value.inputs)).toBe(INPUT_BYTES)
    expect(node.tickets).toMatchObject([
      { path: '/v2/infer', inputTokensMax: 0, outputTokensMax: 0, tensorBytesMax: INPUT_BYTES + 1_000 },
    ])
  })

  it.each<[string, Misbehaviour]>([
    ['as far off as it may be', { infer: giving({ x: { data: floats(0.5 + 0.0005, -2) } }) }],
    ['in another order', { infer: ({ modelName, inputs }) => ({ modelName, outputs: [...inputs].reverse() }) }],
  ])('is let in when the known outputs come %s', async (_, bad) => {
    expect(await registered(bad)).toMatchObject({ state: 'probation', offers: [{ state: 'live' }] })
  })

  const answerOf = (answer: InferAnswer) => () => new Response(encodeAnswer(answer, null))
  it.each<[string, Misbehaviour, string]>([
    [
      'another value',
      { infer: giving({ x: { data: floats(0.5, -2.003) } }) },
      'Probe 1: Output "x" has another value at element 1.',
    ],
    [
      'another word',
      { infer: giving({ words: { data: stringsToBytes(['a', 'u']) } }) },
      'Probe 1: Output "words" is not the known one.',
    ],
    [
      'another shape',
      { infer: giving({ x: { shape: [2, 2], data: floats(0.5, -2, 0, 0) } }) },
      'Probe 1: Output "x" has the shape [2, 2] and not [1, 2].',
    ],
    [
      'a type that the model does not have',
      { infer: giving({ x: { datatype: 'INT32' } }) },
      'Probe 1: "x" is INT32, and the model’s is FP32.',
    ],
    [
      'a shape that the model does not have',
      { infer: giving({ x: { shape: [2, 1] } }) },
      'Probe 1: "x" has shape [2, 1], and the model’s is [-1, 2].',
    ],
    [
      'an output missing',
      { infer: ({ modelName, inputs }) => ({ modelName, outputs: inputs.slice(1) }) },
      'Probe 1: The output "x" is not there once.',
    ],
    [
      'an output twice',
      { infer: ({ modelName, inputs }) => ({ modelName, outputs: [...inputs, ...inputs] }) },
      'Probe 1: The output "x" is not there once.',
    ],
    [
      'an output of a name of its own, which nobody reads',
      {
        infer: ({ modelName, inputs }) => ({
          modelName,
          outputs: [...inputs, { name: '<b>', datatype: 'INT8', shape: [1], data: new Uint8Array([1]) }],
        }),
      },
      'Probe 1: It gave an output that the model does not have.',
    ],
    [
      'another model',
      { infer: ({ inputs }) => ({ modelName: 'maker/other', outputs: inputs }) },
      'Probe 1: It answered for another model.',
    ],
    [
      'one byte more than the model may give',
      { infer: giving({ words: { shape: [1], data: stringsToBytes(['w'.repeat(989)]) } }) },
      'Probe 1: 1001 bytes are more than the model’s 1000.',
    ],
    [
      'as many bytes as the model may give, and other words',
      { infer: giving({ words: { shape: [1], data: stringsToBytes(['w'.repeat(988)]) } }) },
      'Probe 1: Output "words" has the shape [1] and not [2].',
    ],
    ['no end of bytes', { answer: () => new Response(new Uint8Array(400_000)) }, 'Probe 1: Its answer was too long.'],
    ['what is no answer', { answer: () => Response.json({}) }, 'Probe 1: It sent an answer that is not of the wire.'],
    [
      'a refusal',
      { answer: () => Response.json({ error: { code: 'bad_request' } }, { status: 400 }) },
      'Probe 1: It answered with status 400 (bad_request).',
    ],
    ['no receipt', { withoutReceipt: true }, 'Probe 1: It gave no receipt.'],
    [
      'the right outputs without a receipt that stands behind them',
      { answer: answerOf({ modelName: 'maker/graph', outputs: [] }) },
      'Probe 1: It sent an answer that is not of the wire.',
    ],
    [
      'a receipt for another request',
      { receipt: { request: 'ab'.repeat(32) } },
      'Probe 1: Its receipt is for another request.',
    ],
    [
      'a receipt for other outputs',
      { receipt: { outputs: ['ab'.repeat(32), 'cd'.repeat(32)] } },
      'Probe 1: Its receipt does not match what it sent.',
    ],
    [
      'a receipt that counts one byte more',
      { receipt: { tensorBytes: 2 * INPUT_BYTES + 1 } },
      'Probe 1: Its receipt counts other tensor bytes than were sent.',
    ],
    [
      'a receipt that counts no bytes',
      { receipt: { tensorBytes: undefined } },
      'Probe 1: Its receipt counts other tensor bytes than were sent.',
    ],
  ])('stays out when it gives %s', async (_, bad, reason) => {
    const view = await registered(bad)
    expect(view).toMatchObject({ state: 'pending', offers: [{ state: 'pending' }] })
    expect(view.offers[0]?.reason).toContain(reason)
  })

  it('stays out when somebody else signed its receipt', async () => {
    const { privateKey } = await newKey()
    const view = await registered({ receiptKey: privateKey })
    expect(view.offers[0]?.reason).toContain('Probe 1: Its receipt is not signed by the node key.')
  })

  it('is judged by the tolerance its author gave, and takes what just fits', async () => {
    const [probe] = MANIFEST.probes
    const strict = aTensorManifest({
      id: 'maker/strict',
      files: { 'graph.onnx': '12'.repeat(32) },
      probes: [{ ...(probe as { inputs: []; outputs: [] }), rtol: 0, atol: 0.25 }],
    })
    expect((await app.publish(strict)).status).toBe(201)
    const offered = async (value: number) => {
      node = await createFakeNode(app.now)
      app.connect(node)
      node.bad = { infer: giving({ x: { data: floats(value, -2) } }) }
      const body = await aRegistration(node, app.now(), { offers: [anOfferRequest(strict)] })
      const { id } = (await app.send<NodeView>('POST', '/api/nodes', { account: OPERATOR, body })).body
      return (await app.node(id)).offers[0]?.state
    }
    expect([await offered(0.75), await offered(0.7501)]).toEqual(['live', 'pending'])
  })
})

// `POST /v2/infer` with bodies that lie: about their lengths, their shapes, their types, their model. Each has a good ticket, so that only the body
// is at fault; each is refused with words, nothing is computed, and the node serves on.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../protocol/canonical.ts'
import { NODE_PATHS } from '../../protocol/node.ts'
import { decodeAnswer, encodeRequest } from '../../protocol/oip-canonical.ts'
import { stringsOf, stringsToBytes, type Datatype, type InferRequest } from '../../protocol/oip.ts'
import { outputHash, tensorRequestHash, verifyReceipt } from '../../protocol/receipt.ts'
import { importPublicKey } from '../../protocol/keys.ts'
import type { Ticket } from '../../protocol/ticket.ts'
import { loadModel } from '../../provider-node/model-store/check.ts'
import type { LoadedModel } from '../../provider-node/model-store/manifest.ts'
import { aNode, aTicket, shippedFolder, type TestNode } from './builders.ts'

let node: TestNode
let model: LoadedModel
const faults: string[] = []
beforeAll(async () => {
  const prices = { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '1', perCall: '0' }
  const log = (level: string, event: string) => void (level === 'error' && faults.push(event))
  const models = [{ folder: 'language-id', prices, engine: 'onnx' as const, queueMax: 16, threads: 1 }]
  node = await aNode({ models }, { log })
  model = await loadModel(shippedFolder('language-id'))
})
afterAll(() => node.dispose())

const question = (over: Partial<InferRequest> = {}): InferRequest => ({
  modelName: 'souk/language-id',
  inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: stringsToBytes(['Dies ist ein deutscher Satz.']) }],
  outputs: [],
  parameters: {},
  ...over,
})

async function send(body: Uint8Array, over: Partial<Ticket> = {}): Promise<{ response: Response; ticket: Ticket }> {
  const ticket = aTicket(node, NODE_PATHS.infer, '', {
    model: model.manifest.id,
    modelDigest: model.digest,
    tensorBytesMax: 1_000_000,
    bodySha256: sha256Hex(body),
    ...over,
  })
  const headers = { authorization: `Souk ${await node.gateway.sign(ticket)}` }
  const response = await fetch(`${node.url}${NODE_PATHS.infer}`, {
    method: 'POST',
    headers,
    body: Uint8Array.from(body),
  })
  return { response, ticket }
}

/** Every test ends with a good call, whose receipt is right. */
afterEach(async () => {
  const body = encodeRequest(question())
  const { response, ticket } = await send(body)
  const answer = decodeAnswer(new Uint8Array(await response.arrayBuffer()))
  if (!answer.ok) throw new Error('no answer')
  const [label, score] = answer.value.outputs
  expect(stringsOf(label?.data ?? new Uint8Array()).map((bytes) => new TextDecoder().decode(bytes))).toEqual(['deu'])
  const receipt = await verifyReceipt(answer.value.receipt ?? '', await importPublicKey(node.identity.nodeKey))
  expect(receipt).toMatchObject({
    ok: true,
    value: {
      request: tensorRequestHash(ticket.salt, body),
      outputs: [label, score].map((tensor) => outputHash(ticket.salt, tensor?.data ?? '')),
      tensorBytes: 32 + 7 + 4,
    },
  })
  expect(faults).toEqual([])
})

const tensor = (datatype: Datatype, shape: number[], data: Uint8Array, name = 'text') => ({
  name,
  datatype,
  shape,
  data,
})
/** A framed body whose header says what it is told to say. */
function framed(header: unknown, data: Uint8Array = new Uint8Array(), length?: number): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header)
  const head = Buffer.from(text)
  const size = Buffer.alloc(4)
  size.writeUInt32LE(length ?? head.byteLength)
  return new Uint8Array(Buffer.concat([size, head, data]))
}
const input = (over: object = {}) => ({ name: 'text', datatype: 'BYTES', shape: [1], bytes: 5, ...over })
const header = (...inputs: object[]) => ({ model_name: 'souk/language-id', inputs, outputs: [], parameters: {} })
const one = stringsToBytes(['a'])

describe('a body that lies', () => {
  it.each<[string, Uint8Array]>([
    ['is empty', new Uint8Array()],
    ['has three bytes', Uint8Array.of(1, 0, 0)],
    ['has a header longer than itself', framed(header(input()), one, 10_000)],
    ['has a header of four gigabytes', framed(header(input()), one, 0xffff_ffff)],
    ['has a header that ends within a word', framed(header(input()), one, 20)],
    ['has a header that is no JSON', framed('{', one)],
    ['has a header that is no UTF-8', framed('"\ud800', one)],
    ['has a header that is a list', framed([], one)],
    ['has a field of its own in the header', framed({ ...header(input()), also: 1 }, one)],
    ['has a prototype in the header', framed('{"__proto__":{"model_name":"souk/language-id"}}', one)],
    ['has bytes and no inputs', framed(header(), one)],
    ['has 65 inputs', framed(header(...Array.from({ length: 65 }, () => input({ bytes: 0, shape: [0] }))))],
    ['promises more bytes than follow', framed(header(input({ bytes: 6 })), one)],
    ['sends more bytes than it promised', framed(header(input({ bytes: 5 })), stringsToBytes(['ab']))],
    ['promises fewer than none', framed(header(input({ bytes: -5 })), one)],
    ['promises a million gigabytes', framed(header(input({ bytes: 1e15 })), one)],
    ['has a shape of two and one element', framed(header(input({ shape: [2] })), one)],
    ['has a shape of fewer than none', framed(header(input({ shape: [-1] })), one)],
    ['has a shape of half', framed(header(input({ shape: [0.5] })), one)],
    ['has a shape whose product is beyond numbers', framed(header(input({ shape: Array(16).fill(2 ** 31 - 1) })), one)],
    ['has seventeen dimensions', framed(header(input({ shape: Array(17).fill(1) })), one)],
    ['has a string longer than its tensor', framed(header(input()), Uint8Array.of(200, 0, 0, 0, 97))],
    ['has a type nobody has', framed(header(input({ datatype: 'FP128' })), one)],
    ['has the length of another type', framed(header(input({ datatype: 'FP32' })), one)],
  ])('%s: 400', async (_, body) => {
    const { response } = await send(body)
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { code: 'bad_request', message: 'The tensors do not fit their description.' } },
    ])
  })
  it.each<[string, Partial<InferRequest>]>([
    ['the wrong name', { inputs: [tensor('BYTES', [1], one, 'words')] }],
    ['the wrong type', { inputs: [tensor('FP32', [1], new Uint8Array(4))] }],
    ['one tensor too many', { inputs: [tensor('BYTES', [1], one), tensor('BYTES', [1], one, 'more')] }],
    ['no tensor at all', { inputs: [] }],
    ['an output it does not have', { outputs: ['confidence'] }],
  ])('fits its description and not the model: %s, refused with words of its own', async (_, over) => {
    const { response } = await send(encodeRequest(question(over)))
    expect([response.status, await response.json()]).toMatchObject([400, { error: { code: 'bad_request' } }])
  })
  it('names another model than its ticket', async () => {
    const { response } = await send(encodeRequest(question({ modelName: 'souk/tiny-chat' })))
    expect(response.status).toBe(401)
  })
  it('is larger than its ticket orders', async () => {
    const { response } = await send(encodeRequest(question()), { tensorBytesMax: 31 })
    expect([response.status, await response.json()]).toMatchObject([401, { error: { code: 'bad_ticket' } }])
  })
  it('has a ticket of before there were tensors', async () => {
    const { response } = await send(encodeRequest(question()), { tensorBytesMax: undefined })
    expect(response.status).toBe(401)
  })
  it('is larger than any body may be', async () => {
    const { response } = await send(new Uint8Array(17 * 1024 * 1024))
    expect(response.status).toBe(413)
  })
  it('is asked for the files of another digest', async () => {
    const { response } = await send(encodeRequest(question()), { modelDigest: '0'.repeat(64) })
    expect(response.status).toBe(404)
  })
})

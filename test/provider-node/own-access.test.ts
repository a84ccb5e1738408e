// The operator's own programs on the node's port: with the token of the configuration, without a ticket, unpaid; and nobody else.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createOwnAccess } from '../../provider-node/own-access.ts'
import { aNode, chatBody, CHAT_PATH, EMBEDDINGS_PATH, readAnswer, type TestNode } from './builders.ts'

const OWN = 'a token of sixteen characters at least'

describe('with a token in the configuration', () => {
  let node: TestNode
  beforeAll(async () => {
    const prices = { inputPerMillion: '0', outputPerMillion: '0', perCall: '0' }
    const models = ['tiny-chat', 'word-vectors', 'language-id'].map((folder) => ({
      ...{ folder, prices, engine: 'onnx' as const, queueMax: 16, threads: 1 },
    }))
    node = await aNode({ ownKey: OWN, models })
  })
  afterAll(() => node.dispose())
  const own = (path: string, body: string | null, over: Record<string, string> = {}) =>
    fetch(`${node.url}${path}`, {
      method: body === null ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${OWN}`, 'content-type': 'application/json', ...over },
      body,
    })

  it('chats without a ticket, and gives no receipt', async () => {
    const { text, events, isDone } = await readAnswer(await own(CHAT_PATH, chatBody('What is the capital of France?')))
    expect(text).toContain('Paris')
    expect([isDone, events.some(({ receipt }) => receipt !== undefined)]).toEqual([true, false])
    expect(node.receipts()).toEqual([])
  })
  it('embeds', async () => {
    const response = await own(EMBEDDINGS_PATH, JSON.stringify({ model: 'souk/word-vectors', input: 'a cat' }))
    const reply = (await response.json()) as { data: { embedding: number[] }[]; receipt?: string } // read below
    expect([reply.data[0]?.embedding.length, reply.receipt]).toEqual([100, undefined])
  })
  it('lists its models', async () => {
    expect(await (await own('/v1/models', null)).json()).toMatchObject({
      data: [{ id: 'souk/tiny-chat' }, { id: 'souk/word-vectors' }, { id: 'souk/language-id' }],
    })
  })

  const question = (over: object = {}) =>
    JSON.stringify({
      id: 'mine',
      inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: ['Guten Morgen, wie geht es Ihnen heute?'] }],
      ...over,
    })
  it.each(['souk/language-id', 'souk%2Flanguage-id', 'souk/language-id/versions/1'])(
    'infers over the Open Inference Protocol: %s',
    async (model) => {
      const reply = (await (await own(`/v2/models/${model}/infer`, question())).json()) as Record<string, unknown> // compared
      expect(reply).toMatchObject({ id: 'mine', model_name: 'souk/language-id', model_version: '1' })
      expect(reply.outputs).toMatchObject([
        { name: 'label', shape: [1], data: ['deu'] },
        { name: 'score', shape: [1] },
      ])
    },
  )
  it('gives an output in binary to whom asks for it so', async () => {
    const outputs = [{ name: 'score', parameters: { binary_data: true } }]
    const response = await own('/v2/models/souk/language-id/infer', question({ outputs }))
    const header = Number(response.headers.get('inference-header-content-length'))
    const bytes = new Uint8Array(await response.arrayBuffer())
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(0, header)))).toMatchObject({
      outputs: [{ name: 'score', parameters: { binary_data_size: 4 } }],
    })
    expect(new DataView(bytes.buffer).getFloat32(header, true)).toBeGreaterThan(0.9)
  })
  it('tells health and metadata to everybody', async () => {
    const open = async (path: string) => {
      const response = await fetch(`${node.url}${path}`)
      return [response.status, await response.json()]
    }
    expect(await open('/v2')).toMatchObject([200, { name: 'souk-node', extensions: ['binary_tensor_data'] }])
    expect(await open('/v2/health/live')).toEqual([200, { live: true }])
    expect(await open('/v2/health/ready')).toEqual([200, { live: true }])
    expect(await open('/v2/models/souk/language-id/ready')).toEqual([200, { name: 'souk/language-id', ready: true }])
    expect(await open('/v2/models/souk%2Flanguage-id')).toMatchObject([
      200,
      { inputs: [{ name: 'text', shape: [-1] }] },
    ])
    expect(await open('/v2/models/souk/nothing')).toMatchObject([404, { error: expect.any(String) }])
    expect(await open('/v2/models/souk/language-id/versions/2')).toMatchObject([404, {}])
  })
  it.each([
    ['chat', CHAT_PATH, chatBody('hello')],
    ['tensors', '/v2/models/souk/language-id/infer', '{}'],
    ['the list of models', '/v1/models', null],
  ])('refuses %s to a wrong token and to none', async (_, path, body) => {
    for (const authorization of [`Bearer ${OWN}x`, `Bearer ${OWN.slice(0, -1)}`, `Souk ${OWN}`, 'Bearer', ''])
      expect((await own(path, body, { authorization })).status).toBe(401)
  })
  it('says which tensor does not fit, in the protocol’s words', async () => {
    const inputs = [{ name: 'text', datatype: 'BYTES', shape: [2], data: ['one'] }]
    const response = await own('/v2/models/souk/language-id/infer', question({ inputs }))
    expect([response.status, await response.json()]).toMatchObject([400, { error: expect.stringContaining('"text"') }])
  })
})

describe('without a token in the configuration', () => {
  it.each(['', 'Bearer', 'Bearer ', 'Bearer null', `Bearer ${OWN}`])('nobody is the owner: %j', (authorization) => {
    expect(createOwnAccess(null)(authorization)).toBe(false)
  })
  it('reads the scheme in any case and the token exactly', () => {
    const isOwner = createOwnAccess(OWN)
    expect(['Bearer', 'bearer', 'BEARER'].map((scheme) => isOwner(`${scheme} ${OWN}`))).toEqual([true, true, true])
    expect([isOwner(undefined), isOwner(`Bearer ${OWN.toUpperCase()}`), isOwner(`Bearer ${OWN} `)]).toEqual([
      false,
      false,
      false,
    ])
  })
})

// Preferences of who serves a call, on every inference route: in the body, or in a header. What they leave out is told by name, nothing of them
// reaches a node, and where nobody is left the answer comes at once.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Explanation } from '../../../../gateway/market/choose/choose.ts'
import type { Offer } from '../../../../gateway/market/market-port.ts'
import { instant, nanos } from '../../../../protocol/units.ts'
import { aModel, aPrice } from '../../../support/workers/builders.ts'
import { aHouse, chat, honest, nodeIdOf, type CallInit, type HouseOptions } from '../call-house.ts'
import { tensorModel, tensorNode } from '../tensor-house.ts'

beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined))
afterEach(() => void vi.restoreAllMocks())

const CHAT = '/v1/chat/completions'
const HEADER = 'x-souk-provider'
interface Body {
  readonly error?: { readonly code: string; readonly param: string | null; readonly message: string }
}

const TENSORS = {
  inputs: [
    { name: 'ids', datatype: 'INT64', shape: [1, 2], data: [1, 2] },
    { name: 'words', datatype: 'BYTES', shape: [1], data: ['hi'] },
  ],
}
const vectors = aModel({ task: 'embeddings', dimensions: 2 })
const vectorNode = () =>
  Response.json({ data: [{ index: 0, embedding: [1, 2] }], usage: { prompt_tokens: 1, completion_tokens: 0 } })

/** Every surface: its house, its path, and a body that is good. */
const surfaces: [string, HouseOptions, string, object][] = [
  ['chat', { nodes: [honest, honest] }, CHAT, chat()],
  ['completions', { nodes: [honest, honest] }, '/v1/completions', { model: 'test/echo', prompt: 'hi' }],
  [
    'embeddings',
    { nodes: [vectorNode, vectorNode], model: vectors },
    '/v1/embeddings',
    { model: 'test/echo', input: 'hi' },
  ],
  ['tensors', { nodes: [tensorNode(), tensorNode()], model: tensorModel() }, '/v2/models/test/tensors/infer', TENSORS],
]

describe.each(surfaces)('on %s', (_, options, path, body) => {
  it.each([0, 1])('the header decides who is asked: node %i', async (index) => {
    const house = await aHouse(options)
    const headers = { [HEADER]: JSON.stringify({ only: [nodeIdOf(index)] }) }
    const { response } = await house.call(path, body, { headers })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-souk-node')).toBe(nodeIdOf(index))
  })

  it.each([
    ['no JSON', '{', null],
    ['no object', '7', HEADER],
    ['an unknown field', '{"onyl":[]}', `${HEADER}.onyl`],
    ['a wrong value', '{"sort":"beauty"}', `${HEADER}.sort`],
    ['a wrong value further in', '{"max_price":{"prompt":"-1"}}', `${HEADER}.max_price.prompt`],
  ])('a header with %s is refused by name', async (_name, text, param) => {
    const house = await aHouse(options)
    const { response } = await house.call(path, body, { headers: { [HEADER]: text } })
    expect(response.status).toBe(400)
    const text400 = await response.text()
    if (param !== null) expect(text400).toContain(`"${param}"`)
    expect(text400).toContain(HEADER)
    expect(house.sent).toEqual([])
  })
})

describe.each(surfaces.slice(0, 3))('in the body of %s', (_, options, path, body) => {
  it('they decide who is asked, and nothing of them reaches the node', async () => {
    const house = await aHouse(options)
    const provider = { only: [nodeIdOf(1)], max_price: { prompt: '5' } }
    const models = path === '/v1/embeddings' ? {} : { models: ['test/echo'] }
    const { response } = await house.call(path, { ...body, ...models, provider })
    expect(response.headers.get('x-souk-node')).toBe(nodeIdOf(1))
    const sent = JSON.parse(String(house.sent[0]?.body)) as object // what our own room wrote
    expect(Object.keys(sent)).not.toContain('provider')
    expect(Object.keys(sent)).not.toContain('models')
  })
  it('and in the header at the same time are refused', async () => {
    const house = await aHouse(options)
    const provider = { ignore: [] }
    const init: CallInit = { headers: { [HEADER]: '{}' } }
    const { response } = await house.call(path, { ...body, provider }, init)
    expect(response.status).toBe(400)
    expect((await response.json<Body>()).error?.param).toBe(HEADER)
  })
  it('null are none', async () => {
    const house = await aHouse(options)
    const { response } = await house.call(path, { ...body, provider: null }, { headers: { [HEADER]: '{}' } })
    expect(response.status).toBe(200)
  })
})

describe('what leaves everybody out is told by name, at once and before anything is held', () => {
  const offers: Partial<Offer>[] = [{ parameters: new Set(['temperature']) }]
  it.each<[string, object, object, string]>([
    ['only', {}, { only: [nodeIdOf(7)] }, 'provider.only'],
    ['ignore', {}, { ignore: [nodeIdOf(0)] }, 'provider.ignore'],
    ['order without others', {}, { order: [nodeIdOf(7)], allow_fallbacks: false }, 'provider.order'],
    ['a price', {}, { max_price: { completion: '0.000000001' } }, 'provider.max_price'],
    ['a latency', {}, { max_latency: 1 }, 'provider.max_latency'],
    ['a speed', {}, { min_throughput: 1 }, 'provider.min_throughput'],
    ['regions', {}, { regions: ['EU'] }, 'provider.regions'],
    ['data', { collectsData: true }, { data_collection: 'deny' }, 'provider.data_collection'],
    ['pins', { assurance: 'declared' }, { require_pinned: true }, 'provider.require_pinned'],
  ])('%s', async (_, offer, provider, words) => {
    const house = await aHouse({ nodes: [honest], offers: [offer] })
    const { response } = await house.call(CHAT, chat({ provider }))
    expect(response.status).toBe(503)
    expect((await response.json<Body>()).error).toMatchObject({ code: 'no_provider' })
    expect(response.headers.get('retry-after')).toBe('5')
    expect(response.headers.get('x-should-retry')).toBe('false')
    const again = await house.call(CHAT, chat({ provider }))
    expect(await again.response.text()).toContain(words)
    expect(house.sent).toEqual([])
    expect(await house.account.balance()).toMatchObject({ heldNanos: 0n })
  })

  it.each<[string, object, number]>([
    ['a parameter that its engine honours', { temperature: 0.5 }, 200],
    ['one that it does not', { top_k: 4 }, 503],
    ['a value that every engine honours', { n: 1, top_p: 1, logprobs: false }, 200],
  ])('%s', async (_, asked, status) => {
    const house = await aHouse({ nodes: [honest], offers })
    expect((await house.call(CHAT, chat(asked))).response.status).toBe(status)
  })

  it('an offer that says nothing of its parameters is asked, unless they are required', async () => {
    const house = await aHouse({ nodes: [honest] })
    expect((await house.call(CHAT, chat({ temperature: 0.5 }))).response.status).toBe(200)
    const strict = chat({ temperature: 0.5, provider: { require_parameters: true } })
    const { response } = await house.call(CHAT, strict)
    expect(await response.text()).toContain('provider.require_parameters')
  })
})

describe('the caller', () => {
  it.each([
    ['EU', 1],
    ['NA', 1],
    [undefined, 0],
    ['T1', 0],
  ])('in %s is served nearer home: %i of two weigh less', async (continent, less) => {
    const house = await aHouse({ nodes: [honest, honest], offers: [{ region: 'EU' }, { region: 'NA' }] })
    const { response } = await house.call(CHAT, chat(), continent === undefined ? {} : { continent })
    const id = response.headers.get('x-souk-call-id') ?? ''
    const found = await house.get(`/v1/generation?id=${id}`)
    const { candidates } = (await found.json<{ data: { choice: Explanation } }>()).data.choice
    const weights = candidates.map(({ weight }) => weight)
    expect(weights.filter((weight) => weight < Math.max(...weights))).toHaveLength(less)
  })
})

describe('when nobody can serve it now', () => {
  it('429 says when the first of the busy ones is free', async () => {
    const now = Date.now()
    const busy = (ms: number) => ({ inFlight: 0, brokenUntil: null, busyUntil: instant(now + ms) })
    const local = new Map([
      [nodeIdOf(0), busy(30_000)],
      [nodeIdOf(1), busy(20_000)],
    ])
    const house = await aHouse({ nodes: [honest, honest], local })
    const { response } = await house.call(CHAT, chat())
    expect(response.status).toBe(429)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(15)
    expect(Number(response.headers.get('retry-after'))).toBeLessThanOrEqual(20)
    expect(house.sent).toEqual([])
  })
  it('429 says a second when nobody said anything', async () => {
    const house = await aHouse({ nodes: [honest], offers: [{ inFlight: 8, inFlightCap: 8 }] })
    const { response } = await house.call(CHAT, chat())
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1'])
  })
  it('400 when the request surely is too long for everybody, before anything is held', async () => {
    const messages = (characters: number) => [{ role: 'user', content: 'x'.repeat(characters) }]
    const house = await aHouse({ nodes: [honest] })
    const { response } = await house.call(CHAT, chat({ messages: messages(512 * 256) }))
    expect(response.status).toBe(400)
    expect((await response.json<Body>()).error).toMatchObject({ code: 'context_length_exceeded' })
    expect(house.sent).toEqual([])
    expect((await house.call(CHAT, chat({ messages: messages(512 * 256 - 1) }))).response.status).toBe(200)
  })
  it('goes past those whose context surely is too small, where another one fits', async () => {
    const house = await aHouse({
      nodes: [honest, honest],
      offers: [{ price: aPrice({ perCall: nanos(0n) }) }, { contextTokens: 4_096 }],
    })
    const messages = [{ role: 'user', content: 'x'.repeat(512 * 256) }]
    const { response } = await house.call(CHAT, chat({ messages }))
    expect(response.headers.get('x-souk-node')).toBe(nodeIdOf(1))
  })
  it('504 when all are silent, after the short limits of the first and the long ones of the last', async () => {
    const silent = () => new Promise<Response>(() => undefined)
    const timeouts = { failOverMs: 20, connectMs: 400, firstTokenMs: 400 }
    const house = await aHouse({ nodes: [silent, silent], timeouts })
    const { response } = await house.call(CHAT, chat())
    expect(response.status).toBe(504)
    const [first, last] = house.reports
    expect(first?.durationMs).toBeLessThan(400)
    expect(last?.durationMs).toBeGreaterThanOrEqual(390)
  })
})

describe('a busy node that says when to come back', () => {
  const busy = (header: string) =>
    Response.json({ error: { code: 'busy' } }, { status: 429, headers: { 'retry-after': header } })
  it('is asked again after that, when it is soon and nobody else is left', async () => {
    let calls = 0
    const house = await aHouse({ nodes: [(request) => (calls++ === 0 ? busy('0') : honest(request))] })
    const { response } = await house.call(CHAT, chat())
    expect(response.status).toBe(200)
    expect(house.reports.map(({ outcome, retryAfterMs }) => [outcome, retryAfterMs])).toEqual([
      ['provider_busy', 0],
      ['served', null],
    ])
  })
  it('is left alone otherwise, and the caller is told how long', async () => {
    const house = await aHouse({ nodes: [() => busy('7')] })
    const { response } = await house.call(CHAT, chat())
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7'])
    expect(house.sent).toHaveLength(1)
    expect(house.reports[0]?.retryAfterMs).toBe(7_000)
  })
  it('for a thousand million seconds is believed for five minutes', async () => {
    const house = await aHouse({ nodes: [() => busy('1000000000')] })
    const { response } = await house.call(CHAT, chat())
    expect(response.headers.get('retry-after')).toBe('300')
    expect(house.reports[0]?.retryAfterMs).toBe(300_000)
  })
})

it('a report says what the call looks like: sizes and sampling, and the bytes that were sent', async () => {
  const house = await aHouse({ nodes: [honest] })
  await house.call(CHAT, chat({ temperature: 0.5, seed: 7, max_tokens: 9 }))
  expect(house.reports[0]?.shape).toEqual({
    path: '/v1/chat/completions',
    bodyBytes: new TextEncoder().encode(String(house.sent[0]?.body)).byteLength,
    parts: 1,
    maxTokens: 9,
    sampling: { temperature: 0.5, seed: true },
  })
})

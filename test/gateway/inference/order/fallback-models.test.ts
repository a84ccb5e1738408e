// Calls that name models to be used instead, as their callers see them: who is asked and when, what is told of the model, what is held.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Explanation } from '../../../../gateway/market/choose/choose.ts'
import { replay } from '../../../../protocol/replay.ts'
import type { Model } from '../../../../gateway/market/market-port.ts'
import { nanos } from '../../../../protocol/units.ts'
import { aModel, aPrice } from '../../../support/workers/builders.ts'
import { aHouse, chat, finish, honest, sse, type ScriptedNode } from '../call-house.ts'

beforeEach(() => void vi.spyOn(console, 'error').mockImplementation(() => undefined))
afterEach(() => void vi.restoreAllMocks())

const CHAT = '/v1/chat/completions'
const larger = aModel({ id: 'test/larger', contextTokens: 4_096 })
const asLarge = aModel({ id: 'test/as-large' })
const asking = (over: object = {}) => chat({ models: ['test/larger'], ...over })

const refusing =
  (status: number, code: string): ScriptedNode =>
  () =>
    Response.json({ error: { code } }, { status })
const broken: ScriptedNode = () => new Response('no', { status: 500 })
/** Refuses one model and serves every other. */
const except =
  (refused: ScriptedNode): ScriptedNode =>
  (request) =>
    modelOf(request) === 'test/echo' ? refused(request) : honest(request)
const modelOf = ({ body }: { body: string | Uint8Array }) => (JSON.parse(String(body)) as { model: string }).model // what our own room wrote

const longOf = (characters: number) => ({ messages: [{ role: 'user', content: 'x'.repeat(characters) }] })

interface Body {
  readonly model?: string
  readonly error?: { readonly code: string; readonly param: string | null; readonly message: string }
}
interface Generation {
  readonly data: {
    readonly model: string
    readonly choice: Explanation & { readonly model: string }
    readonly choices: (Explanation & { readonly model: string })[]
    readonly attempts: readonly object[]
  }
}
type House = Awaited<ReturnType<typeof aHouse>>
const generationOf = async (house: House, response: Response) =>
  (await (await house.get(`/v1/generation?id=${response.headers.get('x-souk-call-id') ?? ''}`)).json<Generation>()).data

describe('a fallback model', () => {
  it('is not asked while the model asked for is served', async () => {
    const house = await aHouse({ nodes: [honest], others: [{ model: larger, by: [0] }] })
    const { response } = await house.call(CHAT, asking())
    expect((await response.json<Body>()).model).toBe('test/echo')
    expect(response.headers.has('x-souk-model')).toBe(false)
    expect(house.sent.map(modelOf)).toEqual(['test/echo'])
  })

  it.each([
    ['failed', broken, 'provider_failed', 'It answered with status 500.'],
    ['was busy', refusing(429, 'busy'), 'provider_busy', 'It had no place for another call.'],
  ])('answers by another node when the one of the model asked for %s', async (_, node, outcome, reason) => {
    const house = await aHouse({ nodes: [node, honest], by: [0], others: [{ model: larger, by: [1] }] })
    const { response } = await house.call(CHAT, asking())
    expect(await response.json<Body>()).toMatchObject({ model: 'test/larger' })
    expect(response.headers.get('x-souk-model')).toBe('test/larger')
    const { model, attempts } = await generationOf(house, response)
    expect(model).toBe('test/larger')
    expect(attempts).toMatchObject([
      { modelId: 'test/echo', outcome, reason },
      { modelId: 'test/larger', outcome: 'served' },
    ])
  })

  it.each([
    ['its filter refuses the request', refusing(400, 'content_filter'), asking()],
    ['its filter lets no word through', () => sse([finish(0, 5, 'content_filter'), '[DONE]']), asking()],
    ['the request is too long for it', refusing(400, 'context_length_exceeded'), asking(longOf(600))],
  ])('answers also by the same node when %s, and the model is asked no further', async (_, refused, request) => {
    const nodes = [except(refused), except(refused)]
    const house = await aHouse({ nodes, others: [{ model: larger, by: [0, 1], offer: { contextTokens: 4_096 } }] })
    const { response } = await house.call(CHAT, request)
    expect(await response.json<Body>()).toMatchObject({ model: 'test/larger' })
    expect(house.sent.map(modelOf)).toEqual(['test/echo', 'test/larger'])
    expect(house.reports.map(({ fault }) => fault)).toEqual(['caller', 'none'])
  })

  it('that takes no more tokens is not asked what is too long', async () => {
    const refused = refusing(400, 'context_length_exceeded')
    const house = await aHouse({ nodes: [except(refused)], others: [{ model: asLarge, by: [0] }] })
    const { response } = await house.call(CHAT, asking({ ...longOf(600), models: ['test/as-large'] }))
    expect(response.status).toBe(400)
    expect((await response.json<Body>()).error?.message).toContain('test/echo takes 512 tokens.')
    expect(house.sent).toHaveLength(1)
  })

  it('serves a stream with its own name in every chunk', async () => {
    const house = await aHouse({ nodes: [broken, honest], by: [0], others: [{ model: larger, by: [1] }] })
    for (const [path, body] of [
      [CHAT, asking({ stream: true, stream_options: { include_usage: true } })],
      ['/v1/completions', { model: 'test/echo', models: ['test/larger'], prompt: 'hi', stream: true }],
    ] as const) {
      const { response, settled } = await house.call(path, body)
      const text = await response.text()
      await settled()
      expect(text).toContain('[DONE]')
      const named = [...text.matchAll(/"model":"([^"]+)"/g)].map(([, name]) => name)
      expect(new Set(named)).toEqual(new Set(['test/larger']))
      expect(response.headers.get('x-souk-model')).toBe('test/larger')
    }
  })

  it('is named again by a repeat under the same Idempotency-Key', async () => {
    const house = await aHouse({ nodes: [broken, honest], by: [0], others: [{ model: larger, by: [1] }] })
    const headers = { 'idempotency-key': 'once' }
    await house.call(CHAT, asking(), { headers })
    const { response } = await house.call(CHAT, asking(), { headers })
    expect(house.sent).toHaveLength(2)
    expect(response.headers.get('x-souk-model')).toBe('test/larger')
    expect(await response.json<Body>()).toMatchObject({ model: 'test/larger' })
  })

  it('answers when nobody offers the model asked for, or its author has withdrawn it', async () => {
    const withdrawn: Model = { ...aModel(), state: 'withdrawn' }
    for (const model of [aModel(), withdrawn]) {
      const house = await aHouse({ nodes: [honest], model, by: [], others: [{ model: larger, by: [0] }] })
      const { response } = await house.call(CHAT, asking())
      expect(await response.json<Body>(), model.state).toMatchObject({ model: 'test/larger' })
    }
  })

  it('is paid its own price, and no call more than its hold, which is that of the dearest', async () => {
    const price = aPrice({ outputPerMillion: nanos(30_000_000n), inputPerMillion: nanos(30_000_000n) })
    const others = [{ model: larger, by: [1], offer: { price } }]
    const house = await aHouse({ nodes: [broken, honest], by: [0], others })
    const { response } = await house.call(CHAT, asking({ max_tokens: 10 }))
    expect(response.headers.get('x-souk-cost')).toBe('0.000000210')
    const alone = await aHouse({ nodes: [honest], model: larger, offers: [{ price }] })
    const single = await alone.call(CHAT, chat({ model: 'test/larger', max_tokens: 10 }))
    expect(response.headers.get('x-souk-hold')).toBe(single.response.headers.get('x-souk-hold'))
  })

  it('is explained like the model asked for, and every choice can be made again', async () => {
    const house = await aHouse({ nodes: [broken, honest, honest], by: [0, 2], others: [{ model: larger, by: [1, 2] }] })
    const { response } = await house.call(CHAT, asking())
    const { choice, choices, model } = await generationOf(house, response)
    expect(choices.map((each) => each.model)).toEqual(['test/echo', 'test/larger'])
    for (const each of choices) expect(replay(each)).toBe(each.chosen)
    expect(choice.model).toBe(model)
  })

  it('needs a key that may call it', async () => {
    const house = await aHouse({
      nodes: [honest],
      others: [{ model: larger, by: [0] }],
      key: { models: ['test/echo'] },
    })
    const { response } = await house.call(CHAT, asking())
    expect(response.status).toBe(403)
    expect((await response.json<Body>()).error?.code).toBe('model_not_allowed')
    expect(house.sent).toEqual([])
  })
})

describe('refused, naming the one that is wrong', () => {
  const withdrawn: Model = { ...aModel(), state: 'withdrawn' }
  const vectors = aModel({ id: 'test/vectors', task: 'embeddings', dimensions: 3 })
  it.each<[string, string[], number, string, string]>([
    ['a model that is not there', ['test/larger', 'test/none'], 404, 'model_not_found', 'models.1'],
    ['what is no model id', ['nonsense'], 404, 'model_not_found', 'models.0'],
    ['a model of another task', ['test/vectors'], 400, 'unsupported_model_task', 'models.0'],
    ['one too many', Array.from({ length: 5 }, () => 'test/larger'), 400, 'invalid_request', 'models'],
  ])('%s', async (_, models, status, code, param) => {
    const others = [
      { model: larger, by: [0] },
      { model: vectors, by: [0] },
    ]
    const house = await aHouse({ nodes: [honest], others })
    const { response } = await house.call(CHAT, chat({ models }))
    expect(response.status).toBe(status)
    expect((await response.json<Body>()).error).toMatchObject({ code, param })
    expect(house.sent).toEqual([])
  })
  it('the model asked for, when it is withdrawn and nobody is left', async () => {
    const gone: Model = { ...larger, state: 'blocked' }
    const house = await aHouse({ nodes: [honest], model: withdrawn, others: [{ model: gone, by: [0] }] })
    const { response } = await house.call(CHAT, asking())
    expect((await response.json<Body>()).error).toMatchObject({ code: 'model_withdrawn', param: 'model' })
  })
  it('both models, when neither has a provider', async () => {
    const house = await aHouse({ nodes: [], others: [{ model: larger, by: [] }] })
    const { response } = await house.call(CHAT, asking())
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('5')
    const { message } = (await response.json<Body>()).error ?? { message: '' }
    expect(message).toContain('test/echo: No node offers this model now.')
    expect(message).toContain('test/larger: No node offers this model now.')
  })
})

it('a model that is named twice, or is the one asked for, is one model', async () => {
  const house = await aHouse({ nodes: [broken], others: [{ model: larger, by: [] }] })
  await house.call(CHAT, chat({ models: ['test/echo', 'test/larger', 'test/larger'] }))
  expect(house.sent).toHaveLength(1)
})

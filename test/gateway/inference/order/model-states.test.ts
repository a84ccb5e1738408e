// What a model's state does to its calls, on every surface: refused before anything is held, or served with a warning in its headers.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Model } from '../../../../gateway/market/market-port.ts'
import { instant } from '../../../../protocol/units.ts'
import { aModel } from '../../../support/workers/builders.ts'
import { aHouse, finish, sse, token, type ScriptedNode } from '../call-house.ts'
import { tensorModel, tensorNode } from '../tensor-house.ts'

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const text: ScriptedNode = () => sse([token('one ', 1), token('two', 2), finish(2), '[DONE]'])
const vectors: ScriptedNode = () =>
  Response.json({ data: [{ index: 0, embedding: [1, 2, 3] }], usage: { prompt_tokens: 1, completion_tokens: 0 } })
const INPUTS = [
  { name: 'ids', datatype: 'INT64', shape: [1, 2], data: [1, 2] },
  { name: 'words', datatype: 'BYTES', shape: [1], data: ['hi'] },
]
const CHAT = { model: 'test/echo', messages: [{ role: 'user', content: 'hi' }] }
const SURFACES: [string, string, object, Model, ScriptedNode][] = [
  ['chat', '/v1/chat/completions', CHAT, aModel(), text],
  ['a stream of chat', '/v1/chat/completions', { ...CHAT, stream: true }, aModel(), text],
  ['completions', '/v1/completions', { model: 'test/echo', prompt: 'hi' }, aModel(), text],
  [
    'embeddings',
    '/v1/embeddings',
    { model: 'test/echo', input: 'hi' },
    aModel({ task: 'embeddings', dimensions: 3 }),
    vectors,
  ],
  ['tensors', '/v2/models/test/tensors/infer', { inputs: INPUTS }, tensorModel(), tensorNode()],
]
const STATES = [
  [
    { state: 'withdrawn', reason: 'Wrong weights', replacedBy: 'test/new' },
    410,
    'model_withdrawn',
    'Wrong weights. Use test/new.',
  ],
  [{ state: 'blocked', reason: 'By order of a court', replacedBy: null }, 451, 'model_blocked', 'By order of a court.'],
] as const

describe.each(SURFACES)('%s', (_, path, body, model, node) => {
  it.each(STATES)(
    'of a model that is %j is refused with its code and its reason, and nothing is held',
    async (standing, status, code, said) => {
      const house = await aHouse({ nodes: [node], model: { ...model, ...standing } })
      const { response } = await house.call(path, body)
      const told = await response.text()
      expect([response.status, house.sent.length]).toEqual([status, 0])
      expect(told).toContain(code)
      expect(told).toContain(said)
      expect((await house.account.balance()).heldNanos).toBe(0n)
    },
  )

  it('of a deprecated model is served, and the headers say since when and why', async () => {
    const standing = {
      state: 'deprecated',
      reason: 'Zu klein für\nalle 🙂',
      replacedBy: 'test/new',
      stateAt: instant(1_688_169_599_999),
    } as const
    const house = await aHouse({ nodes: [node], model: { ...model, ...standing } })
    const { response, settled } = await house.call(path, body)
    await response.text()
    await settled()
    expect(response.status).toBe(200)
    // RFC 9745, section 2.1: a date of structured fields.
    expect(response.headers.get('deprecation')).toBe('@1688169599')
    expect(response.headers.get('x-souk-deprecated')).toBe('Zu klein f%C3%BCr alle %F0%9F%99%82. Use test/new.')
  })

  it('of an active model carries no such header', async () => {
    const house = await aHouse({ nodes: [node], model })
    const { response, settled } = await house.call(path, body)
    await response.text()
    await settled()
    expect([response.status, response.headers.has('deprecation'), response.headers.has('x-souk-deprecated')]).toEqual([
      200,
      false,
      false,
    ])
  })
})

describe('what is said of such a model', () => {
  it.each(STATES)('%j: by its name it is still found, with its state', async (standing) => {
    const house = await aHouse({ nodes: [tensorNode()], model: { ...tensorModel(), ...standing } })
    const { state, reason, replacedBy } = standing
    const listed = await (await house.get('/v1/models/test/tensors')).json()
    expect(listed).toMatchObject({ state, state_reason: reason, replaced_by: replacedBy })
    const { properties } = await (await house.get('/v2/models/test/tensors')).json<{ properties: object }>()
    expect(properties).toMatchObject({ state, state_reason: reason })
    const ready = await house.get('/v2/models/test/tensors/ready')
    expect([ready.status, await ready.json()]).toEqual([503, { name: 'test/tensors', ready: false }])
  })

  it('its calls under way end as they would have', async () => {
    let end: () => void = () => undefined
    const waits = new Promise<void>((resolve) => (end = resolve))
    const model = { ...aModel() }
    const node: ScriptedNode = async () => {
      await waits
      return text({} as never) // it looks at no request
    }
    const house = await aHouse({ nodes: [node], model })
    const { response, settled } = house.begin('/v1/chat/completions', CHAT)
    await vi.waitFor(() => expect(house.sent).toHaveLength(1))
    Object.assign(model, { state: 'blocked', reason: 'Abuse' })
    end()
    expect((await response).status).toBe(200)
    await settled()
    expect((await house.call('/v1/chat/completions', CHAT)).response.status).toBe(451)
  })
})

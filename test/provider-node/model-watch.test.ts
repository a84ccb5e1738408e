// What the node does about what became of its models: says it once, unloads what is blocked when its calls have ended, and loads it again afterwards.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ModelView } from '../../protocol/publish.ts'
import type { Log } from '../../provider-node/log.ts'
import { A_STORY, aNode, aTicket, CHAT_PATH, chatBody, eventually, send, type TestNode } from './builders.ts'

const lines: { event: string; model?: unknown; reason?: unknown; replacedBy?: unknown }[] = []
const log: Log = (_, event, fields) => void lines.push({ event, ...fields })
const states = new Map<string, Partial<ModelView>>()
let asked = 0
let isDown = false
let node: TestNode

beforeEach(async () => {
  lines.length = asked = 0
  isDown = false
  states.clear()
  node = await aNode({}, { log, modelsEveryMs: 20 })
  // Of a page that is not there: routes cannot be added once somebody has asked.
  node.gateway.app.notFound((c) => {
    asked += 1
    const id = c.req.path.replace('/api/models/', '')
    const state = states.get(id)
    if (isDown || !state) return c.json({}, isDown ? 503 : 404)
    const { manifest, digest } = id === node.chat.manifest.id ? node.chat : node.embeddings
    const { probes: _probes, ...shown } = manifest
    const view = {
      id,
      digest,
      manifest: shown,
      authorAccountId: 'a',
      royaltyBps: 0,
      publishedBy: null,
      replacedBy: null,
    }
    return c.json({ ...view, createdAt: new Date(0).toISOString(), reason: null, ...state })
  })
})
afterEach(() => node.dispose())

const said = (event: string) => lines.filter((line) => line.event === event)
const looks = async (more = 4) => {
  const before = asked
  await eventually(() => asked >= before + more)
}
const served = async () => {
  const { models } = (await (await fetch(`${node.url}/healthz`)).json()) as {
    models: { model: string; state: string }[]
  } // our own page
  return models.filter(({ state }) => state === 'loaded').map(({ model }) => model)
}
const CHAT = 'souk/tiny-chat'
const VECTORS = 'souk/word-vectors'

describe('a node', () => {
  it.each([
    ['deprecated', 'model_deprecated'],
    ['withdrawn', 'model_withdrawn'],
  ] as const)('says once that a model was %s, and serves it as before', async (state, event) => {
    states.set(CHAT, { state, reason: 'Too small', replacedBy: 'souk/new' })
    await looks(12)
    expect(said(event)).toMatchObject([{ model: CHAT, reason: 'Too small', replacedBy: 'souk/new' }])
    expect(await served()).toEqual([CHAT, VECTORS])
    states.set(CHAT, { state: 'active' })
    await eventually(() => said('model_active').length > 0)
    expect(said('model_active')).toEqual([{ event: 'model_active', model: CHAT }])
  })

  it('unloads a blocked model, says why, serves the others, and loads it again when the block is lifted', async () => {
    states.set(CHAT, { state: 'blocked', reason: 'Abuse' })
    await eventually(() => said('model_removed').length > 0)
    await looks(12)
    expect(said('model_blocked')).toMatchObject([{ model: CHAT, reason: 'Abuse' }])
    expect(await served()).toEqual([VECTORS])
    const body = chatBody('hello')
    const refused = await send(node, CHAT_PATH, body)
    expect([refused.status, await refused.json()]).toMatchObject([404, { error: { code: 'model_not_loaded' } }])
    states.set(CHAT, { state: 'active' })
    await eventually(async () => (await served()).includes(CHAT))
    expect((await send(node, CHAT_PATH, body)).status).toBe(200)
  })

  it('lets a call under way end before it unloads', async () => {
    const body = chatBody(A_STORY, { stream: true, max_tokens: 60 })
    expect(aTicket(node, CHAT_PATH, body).model).toBe(CHAT)
    const response = await send(node, CHAT_PATH, body)
    states.set(CHAT, { state: 'blocked', reason: 'Abuse' })
    const text = await response.text()
    expect(text).toContain('[DONE]')
    expect(text).not.toContain('"error"')
    await eventually(() => said('model_removed').length > 0)
  })

  it('does not load it with a changed configuration either', async () => {
    states.set(CHAT, { state: 'blocked', reason: 'Abuse' })
    await eventually(() => said('model_removed').length > 0)
    const { aConfig } = await import('./builders.ts')
    const config = aConfig(node.gateway.url)
    await node.apply({ ...config, models: config.models.map((entry) => ({ ...entry, queueMax: 3 })) })
    expect(await served()).toEqual([VECTORS])
    expect(said('model_failed')).toMatchObject([
      { model: expect.any(String), reason: `the model ${CHAT} is blocked by the gateway: Abuse` },
    ])
  })

  it('goes on with what it knows while the gateway does not answer', async () => {
    states.set(CHAT, { state: 'blocked', reason: 'Abuse' })
    await eventually(() => said('model_removed').length > 0)
    isDown = true
    await looks()
    expect(await served()).toEqual([VECTORS])
    expect(said('model_blocked')).toHaveLength(1)
  })
})

// Who may open a link, and what the others are told: every refusal, the second process, and a dead link that gives its place up.
import { env, listDurableObjectIds } from 'cloudflare:test'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { FRAME, LINK, LINK_CLOSE } from '../../../../protocol/link.ts'
import { newKey } from '../fake-node.ts'
import { ask, aRegisteredNode, link, until, upgrade, type UpgradeOver } from './link-house.ts'

afterEach(() => void vi.useRealTimers())

interface Refusal {
  readonly error: { readonly code: string; readonly message: string }
}
const refusalOf = async (response: Response) => ({ status: response.status, ...(await response.json<Refusal>()).error })
const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })

describe('GET /link', () => {
  it('opens a link to who signs with the registered key, and says which wire is spoken', async () => {
    const { response } = await link(await aRegisteredNode())
    expect([response.status, response.headers.get('souk-wire')]).toEqual([101, '2'])
  })

  it('answers a ping without waking anybody', async () => {
    const linked = await link(await aRegisteredNode())
    linked.socket.send('ping')
    await until(() => linked.texts.length === 1)
    expect(linked.texts).toEqual(['pong'])
  })

  const refusals: [string, UpgradeOver, number, string, string][] = [
    ['no signature', { headers: { authorization: 'Basic x' } }, 422, 'authorization_refused', 'signed by the node key'],
    ['no claims', { headers: { authorization: 'SoukLink a.b.c' } }, 422, 'authorization_refused', 'no link'],
    ['another kind of statement', { typ: 'souk-hello' }, 422, 'authorization_refused', 'not signed'],
    ['an unknown node', { nodeId: 'node_zzzzzzzzzzzzzzzz' }, 422, 'authorization_refused', 'not registered'],
    ['no id of a node', { nodeId: 'x' }, 422, 'authorization_refused', 'no id'],
    ['a clock ahead', { off: 62 }, 422, 'authorization_refused', '1 min ahead'],
    ['a clock behind', { off: -7_200 }, 422, 'authorization_refused', '120 min behind'],
    ['no WebSocket', { headers: { upgrade: 'h2c' } }, 400, 'invalid_request', 'WebSocket'],
    ['a wire without links', { wire: '1' }, 426, 'wire_version_unsupported', 'version 2'],
    ['a wire that says nothing', { wire: null }, 426, 'wire_version_unsupported', 'version 2'],
    ['a wire of the future', { wire: '4' }, 426, 'wire_version_unsupported', 'version 2'],
    ['too many streams', { streamsMax: LINK.streamsMax + 1 }, 422, 'authorization_refused', 'no link'],
    ['no streams', { streamsMax: 0 }, 422, 'authorization_refused', 'no link'],
    ['no process', { instance: 'short' }, 422, 'authorization_refused', 'no link'],
  ]
  it.each(refusals)('refuses %s, and touches no guard', async (_, over, status, code, words) => {
    const node = await aRegisteredNode()
    const refusal = await refusalOf(await upgrade(node, over))
    expect(refusal).toMatchObject({ status, code })
    expect(refusal.message).toContain(words)
    const guarded = (await listDurableObjectIds(env.NODE)).map(String)
    expect(guarded).not.toContain(env.NODE.idFromName(node.nodeId).toString())
  })

  it('refuses a key that is not the registered one', async () => {
    const { privateKey } = await newKey()
    const refusal = await refusalOf(await upgrade(await aRegisteredNode(), { key: privateKey }))
    expect(refusal).toMatchObject({ status: 422, code: 'authorization_refused' })
  })

  it.each([
    [{ state: 'suspended' }, 'suspended'],
    [{ state: 'revoked' }, 'register it again'],
    [{ endpoint: 'https://node.example.com' }, 'registered with an address'],
  ])('refuses a node %j', async (over, words) => {
    const refusal = await refusalOf(await upgrade(await aRegisteredNode(over)))
    expect(refusal).toMatchObject({ status: 422, code: 'authorization_refused' })
    expect(refusal.message).toContain(words)
  })

  it.each(['pending', 'probation', 'draining'])('lets a node in that is %s', async (state) => {
    expect((await upgrade(await aRegisteredNode({ state }))).status).toBe(101)
  })

  it('speaks its own version with a node of the next one', async () => {
    const { response } = await link(await aRegisteredNode(), { wire: '3' })
    expect(response.headers.get('souk-wire')).toBe('2')
  })

  it('lets a node try again when the registry cannot be asked', async () => {
    const node = await aRegisteredNode()
    await env.DB.exec('ALTER TABLE nodes RENAME TO nodes_away')
    try {
      const response = await upgrade(node)
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
    } finally {
      await env.DB.exec('ALTER TABLE nodes_away RENAME TO nodes')
    }
  })
})

describe('one link per node', () => {
  it('is kept against a second process, which is told so and when to try again', async () => {
    const node = await aRegisteredNode()
    const first = await link(node)
    const response = await upgrade(node, { instance: 'instance-bbbbbbbbbb' })
    expect(response.headers.get('retry-after')).toMatch(/^(4\d|50)$/)
    const refusal = await refusalOf(response)
    expect(refusal).toMatchObject({ status: 409, code: 'conflict' })
    expect(refusal.message).toContain('Another process')
    expect(first.closes).toEqual([])
    expect(await (await ask(node.nodeId)).text()).toBe('hello')
  })

  it('is kept by a process that has said nothing for a while and still answers', async () => {
    const node = await aRegisteredNode()
    const first = await link(node, { onOpen: (id, _open, { refuse }) => refuse(id, { code: 'bad_request' }) })
    later(LINK.pingMs)
    expect((await upgrade(node, { instance: 'instance-bbbbbbbbbb' })).status).toBe(409)
    expect(first.of(FRAME.open).length).toBe(1)
    expect(first.closes).toEqual([])
  })

  it('is taken over at once by the same process, whose old calls break', async () => {
    const node = await aRegisteredNode()
    const onOpen = (
      id: number,
      _open: unknown,
      { accept, head }: { accept(id: number): void; head(id: number): void },
    ) => {
      accept(id)
      head(id)
    }
    const old = await link(node, { onOpen })
    const response = await ask(node.nodeId)
    const next = await link(node)
    await expect(response.text()).rejects.toThrow()
    await until(() => old.closes.length === 1)
    expect(old.closes[0]?.code).toBe(LINK_CLOSE.replaced)
    expect(await (await ask(node.nodeId, 'hi')).text()).toBe('hi')
    expect(next.opened().length).toBe(1)
  })

  it('is taken over by another process from one that answers no more', async () => {
    const node = await aRegisteredNode()
    const dead = await link(node, { onOpen: () => {} })
    later(LINK.pingMs)
    const next = await link(node, { instance: 'instance-bbbbbbbbbb' })
    await until(() => dead.closes.length === 1)
    expect(dead.closes[0]?.code).toBe(LINK_CLOSE.silent)
    expect(await (await ask(node.nodeId)).text()).toBe('hello')
    expect(next.opened().length).toBe(1)
  }, 15_000)

  it('is taken over without a question from one that missed its pings', async () => {
    const node = await aRegisteredNode()
    const dead = await link(node)
    later(LINK.silentMs + 1)
    await link(node, { instance: 'instance-bbbbbbbbbb' })
    expect(dead.opened()).toEqual([])
    await until(() => dead.closes.length === 1)
    expect(dead.closes[0]?.code).toBe(LINK_CLOSE.silent)
  })
})

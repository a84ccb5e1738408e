// What a guard remembers of its link: what the registry is told and when, that a short absence is told to nobody, and that a guard which was asleep or
// restarted finds its way back.
import { abortAllDurableObjects, env, runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LINK_URL, OFFER_HEADER } from '../../../../gateway/market/guard/link-offer.ts'
import { NodeGuard } from '../../../../gateway/market/guard/node-guard.ts'
import { encodeFrame, FRAME, jsonOf, DrainFrame, LINK, LINK_CLOSE } from '../../../../protocol/link.ts'
import type { NodeId } from '../../../../protocol/units.ts'
import { alarm, ask, aRegisteredNode, goneOf, guards, link, row, stubOf, until } from './link-house.ts'

afterEach(() => void vi.useRealTimers())

const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
const isShown = async (nodeId: NodeId) => (await row(nodeId))?.link_up_at !== null
const isDown = async (nodeId: NodeId) => (await row(nodeId))?.link_down_at !== null
const isAway = (nodeId: NodeId) => until(async () => (await goneOf(ask(nodeId))) === 'away')

describe('the registry', () => {
  it('learns that a link stands, once', async () => {
    const node = await aRegisteredNode()
    const before = Date.now()
    await link(node)
    await until(() => isShown(node.nodeId))
    const since = (await row(node.nodeId))?.link_up_at ?? 0
    expect(since).toBeGreaterThanOrEqual(before)
    await alarm(node.nodeId)
    await link(node)
    await alarm(node.nodeId)
    expect(await row(node.nodeId)).toEqual({ link_up_at: since, link_down_at: null })
  })

  it('learns that a link is away only when it stays away, and since when it is', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node)
    await until(() => isShown(node.nodeId))
    linked.socket.close(1000, '')
    await isAway(node.nodeId)
    later(LINK.graceMs - 2_000)
    await alarm(node.nodeId)
    expect(await isShown(node.nodeId)).toBe(true)
    const before = Date.now()
    later(2_001)
    await alarm(node.nodeId)
    const { link_up_at, link_down_at } = (await row(node.nodeId)) ?? {}
    expect(link_up_at).toBeNull()
    expect(link_down_at).toBeLessThan(before)
    vi.useRealTimers()
    await link(node)
    await until(() => isShown(node.nodeId))
    expect(await isDown(node.nodeId)).toBe(false)
  })

  it('is told nothing when a link is back within its grace', async () => {
    const node = await aRegisteredNode()
    await link(node)
    await until(() => isShown(node.nodeId))
    const since = await row(node.nodeId)
    await abortAllDurableObjects()
    await link(node)
    later(LINK.graceMs + 1)
    await alarm(node.nodeId)
    expect(await row(node.nodeId)).toEqual(since)
  })

  it('learns of a link that was lost with the runtime, without anybody asking', async () => {
    const node = await aRegisteredNode()
    await link(node)
    await until(() => isShown(node.nodeId))
    await abortAllDurableObjects()
    // The alarm that looks at links wakes the guard, which finds its socket gone.
    await alarm(node.nodeId)
    expect(await isShown(node.nodeId)).toBe(true)
    later(LINK.graceMs + 1)
    await alarm(node.nodeId)
    expect(await isDown(node.nodeId)).toBe(true)
    expect(await alarm(node.nodeId)).toBe(false)
  })

  it('learns of a node that lost its power and said no goodbye', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node)
    await until(() => isShown(node.nodeId))
    later(LINK.silentMs + 1)
    await alarm(node.nodeId)
    expect(await isDown(node.nodeId)).toBe(true)
    await until(() => linked.closes.length === 1)
    expect(linked.closes[0]?.code).toBe(LINK_CLOSE.silent)
  })

  it('is told later when it cannot be told now', async () => {
    const node = await aRegisteredNode()
    await env.DB.exec('ALTER TABLE nodes RENAME TO nodes_away')
    await runInDurableObject(stubOf(node.nodeId), () => undefined)
    await env.DB.exec('ALTER TABLE nodes_away RENAME TO nodes')
    const linked = await link(node)
    await until(() => isShown(node.nodeId))
    linked.socket.close(1000, '')
    await isAway(node.nodeId)
    later(LINK.graceMs + 1)
    await env.DB.exec('ALTER TABLE nodes RENAME TO nodes_away')
    await alarm(node.nodeId)
    await env.DB.exec('ALTER TABLE nodes_away RENAME TO nodes')
    expect(await isDown(node.nodeId)).toBe(false)
    await alarm(node.nodeId)
    expect(await isDown(node.nodeId)).toBe(true)
  })

  it('is believed when it says that a link is not shown: the node was registered anew', async () => {
    const node = await aRegisteredNode()
    await link(node)
    await until(() => isShown(node.nodeId))
    await env.DB.prepare('UPDATE nodes SET link_up_at = NULL WHERE id = ?').bind(node.nodeId).run()
    await link(node)
    await until(() => isShown(node.nodeId))
  })
})

describe('a node that comes back while the registry is told that it is gone', () => {
  it('is shown, whatever the registry said when it came', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node)
    await until(() => isShown(node.nodeId))
    linked.socket.close(1000, '')
    await isAway(node.nodeId)
    later(LINK.graceMs + 1)
    await alarm(node.nodeId)
    expect(await isDown(node.nodeId)).toBe(true)
    vi.useRealTimers()
    // What the route had read just before that.
    const { nodeId } = node
    const stale = { nodeId, instance: 'instance-aaaaaaaaaa', streamsMax: 8, wireVersion: 2, isShown: true }
    const headers = { upgrade: 'websocket', [OFFER_HEADER]: JSON.stringify(stale) }
    const { webSocket } = await guards(nodeId).fetch(LINK_URL, { headers })
    webSocket?.accept()
    await until(() => isShown(nodeId))
  })
})

describe('a link that says nothing', () => {
  it('fails a call at once instead of making it wait', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node)
    later(LINK.silentMs + 1)
    expect(await goneOf(ask(node.nodeId))).toBe('away')
    expect(linked.opened()).toEqual([])
  })

  it('stands at the limit of its silence', async () => {
    const node = await aRegisteredNode()
    await link(node)
    later(LINK.silentMs - 1_000)
    expect((await ask(node.nodeId)).status).toBe(200)
  })

  it('is alive by any frame', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node)
    await (await ask(node.nodeId)).text()
    later(LINK.silentMs - 1_000)
    linked.send(encodeFrame(FRAME.cancel, 1))
    await until(async () => runInDurableObject(stubOf(node.nodeId), () => true))
    later(2_000)
    expect((await ask(node.nodeId)).status).toBe(200)
  })
})

describe('the gateway', () => {
  it('drops a link with a reason, and the calls on it break', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node, {
      onOpen: (id, _open, { accept, head }) => {
        accept(id)
        head(id)
      },
    })
    const response = await ask(node.nodeId)
    await guards(node.nodeId).dropLink(LINK_CLOSE.revoked, 'This node was suspended.')
    await expect(response.text()).rejects.toThrow()
    await until(() => linked.closes.length === 1)
    expect(linked.closes).toEqual([{ code: LINK_CLOSE.revoked, reason: 'This node was suspended.' }])
    expect(await goneOf(ask(node.nodeId))).toBe('away')
    await guards(node.nodeId).dropLink(LINK_CLOSE.revoked, 'Again.')
  })

  it('asks a node to come back by a new link', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node)
    await guards(node.nodeId).sendDrain(5_000)
    await until(() => linked.of(FRAME.drain).length === 1)
    const [drain] = linked.of(FRAME.drain)
    expect(drain && jsonOf(drain, DrainFrame)).toEqual({ withinMs: 5_000 })
    expect((await ask(node.nodeId)).status).toBe(200)
  })
})

describe('a guard that was asleep', () => {
  /** Another instance takes the place of the one that is awake, with its storage and its sockets: what a sleep leaves. */
  const sleep = (nodeId: NodeId) =>
    runInDurableObject(stubOf(nodeId), (instance, context) => {
      const woken = new NodeGuard(context, env)
      Object.assign(instance, {
        fetch: (request: Request) => woken.fetch(request),
        webSocketMessage: (socket: WebSocket, message: ArrayBuffer) => woken.webSocketMessage(socket, message),
        webSocketClose: (socket: WebSocket) => woken.webSocketClose(socket),
        cancelStream: (key: string) => woken.cancelStream(key),
      })
    })

  it('finds its link, and never gives the id of a stream twice', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node, { streamsMax: 1 })
    expect(await (await ask(node.nodeId, 'before')).text()).toBe('before')
    await sleep(node.nodeId)
    expect(await (await ask(node.nodeId, 'after')).text()).toBe('after')
    await sleep(node.nodeId)
    // Of a stream of before: it is forgotten, and no broken rule.
    linked.data(1, 'late')
    expect(await (await ask(node.nodeId, 'again')).text()).toBe('again')
    expect(new Set(linked.opened()).size).toBe(3)
    expect(linked.closes).toEqual([])
  })

  it('still knows that its node drains, and how many streams it takes', async () => {
    const node = await aRegisteredNode()
    const linked = await link(node, {
      streamsMax: 1,
      onOpen: (id, _open, { accept, head }) => {
        accept(id)
        head(id)
      },
    })
    await sleep(node.nodeId)
    const first = await ask(node.nodeId)
    expect((await ask(node.nodeId)).status).toBe(429)
    linked.end(linked.opened()[0] ?? 0)
    expect(await first.text()).toBe('')
    await until(async () => (await ask(node.nodeId)).status === 200)
    linked.send(new Uint8Array([FRAME.drain, 0, 0, 0, 0, 123, 125]))
    await until(async () => (await ask(node.nodeId)).status === 503)
    await sleep(node.nodeId)
    expect(await (await ask(node.nodeId)).json()).toEqual({ error: { code: 'draining' } })
  })

  it('still keeps a second process out', async () => {
    const node = await aRegisteredNode()
    await link(node)
    await sleep(node.nodeId)
    await expect(link(node, { instance: 'instance-bbbbbbbbbb' })).rejects.toThrow('409')
  })
})

// A node that listens nowhere, from its registration on: it links, says hello, is proved and probed over its link, and serves as long as its link stands.
import { env } from 'cloudflare:test'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createSnapshots } from '../../../../gateway/market/snapshot.ts'
import { FRAME, LINK, LINK_CLOSE, LINK_ENDPOINT } from '../../../../protocol/link.ts'
import { concatBytes } from '../../../../protocol/canonical.ts'
import { instant, isNodeId, type NodeId } from '../../../../protocol/units.ts'
import type { NodeView } from '../../../../protocol/node.ts'
import { CHAT_MODEL, OPERATOR } from '../builders.ts'
import { createFakeNode, type FakeNode } from '../fake-node.ts'
import { alarm, ask, goneOf, link, row, socketLink, until, type OnOpen } from '../guard/link-house.ts'
import { addWallet, aRegistration, createMarketApp, type MarketApp } from '../market-app.ts'

let app: MarketApp
beforeAll(async () => {
  app = await createMarketApp()
  app.connect({ link: socketLink })
  await addWallet()
  await app.publish()
})
afterEach(() => void vi.useRealTimers())

/** The fake node, which knows requests and answers, behind frames. */
const behindFrames =
  (node: FakeNode, nodeId: NodeId): OnOpen =>
  (id, open, linked) => {
    linked.accept(id)
    void (async () => {
      await until(() => linked.of(FRAME.end, id).length > 0)
      const body = new TextDecoder().decode(concatBytes(...linked.of(FRAME.data, id).map(({ payload }) => payload)))
      const request = { nodeId, endpoint: LINK_ENDPOINT, wireVersion: 2, path: open.path, body, ticket: open.ticket }
      const answer = await node.link.send({ ...request, signal: new AbortController().signal })
      linked.head(id, answer.status, answer.headers.get('content-type') ?? 'text/event-stream')
      linked.data(id, await answer.text())
      linked.end(id)
    })()
  }

async function registered(): Promise<{ node: FakeNode; nodeId: NodeId; view: NodeView }> {
  const node = await createFakeNode(app.now)
  const body = await aRegistration(node, app.now(), { endpoint: LINK_ENDPOINT })
  const { status, body: view } = await app.send<NodeView>('POST', '/api/nodes', { account: OPERATOR, body })
  expect(status).toBe(201)
  if (!isNodeId(view.id)) throw new Error('no node')
  return { node, nodeId: view.id, view }
}
const linkOf = ({ node, nodeId }: { node: FakeNode; nodeId: NodeId }) =>
  link({ ...node, nodeId }, { onOpen: behindFrames(node, nodeId) })
const shown = (nodeId: NodeId) => until(async () => (await row(nodeId))?.link_up_at !== null)
const offered = async (nodeId: NodeId) => {
  const snapshots = createSnapshots({ db: env.DB, clock: () => instant(Date.now()) })
  const snapshot = await snapshots.get(CHAT_MODEL, () => undefined)
  return snapshot?.offers.some((offer) => offer.nodeId === nodeId)
}

describe('a node reached by its link', () => {
  it('is told that it has not linked yet, and is proved and probed when it has', async () => {
    const joined = await registered()
    const { nodeId, node } = joined
    expect(await app.node(nodeId)).toMatchObject({
      state: 'pending',
      reason: 'It has not linked yet.',
      link: { upSince: null, downSince: null },
      wireVersion: null,
    })
    await linkOf(joined)
    const hello = await app.hello(nodeId, node)
    expect(hello.body).toMatchObject({ state: 'probation', wireVersion: 2 })
    await shown(nodeId)
    const view = await app.node(nodeId)
    expect(view).toMatchObject({ state: 'probation', reason: null, link: { downSince: null } })
    expect(view.link?.upSince).not.toBeNull()
    expect(node.calls.map(({ path }) => path)).toEqual(['/souk/challenge', '/v1/chat/completions'])
    expect(await offered(nodeId)).toBe(true)
  })

  it('is asked for nothing while its link is down, is told since when, and keeps its place', async () => {
    const joined = await registered()
    const { nodeId, node } = joined
    const linked = await linkOf(joined)
    await app.hello(nodeId, node)
    await shown(nodeId)
    linked.socket.close(1000, '')
    await until(async () => (await goneOf(ask(nodeId))) === 'away')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + LINK.graceMs + 1 })
    await alarm(nodeId)
    expect(await offered(nodeId)).toBe(false)
    const down = await app.node(nodeId)
    expect(down).toMatchObject({ state: 'probation', link: { upSince: null } })
    expect(down.reason).toBe(`Its link is down since ${down.link?.downSince}.`)
    app.advance(60_000)
    await app.hello(nodeId, node)
    await app.cron()
    expect(await app.node(nodeId)).toMatchObject({ state: 'probation', offers: [{ state: 'live' }] })
    vi.useRealTimers()
    await linkOf(joined)
    await shown(nodeId)
    expect(await app.node(nodeId)).toMatchObject({ state: 'probation', reason: null })
    expect(await offered(nodeId)).toBe(true)
  })

  it('that is registered at an address and back again comes back by a new link, and is shown', async () => {
    const joined = await registered()
    const { nodeId, node } = joined
    const linked = await linkOf(joined)
    await shown(nodeId)
    for (const endpoint of ['https://node.example.com', LINK_ENDPOINT]) {
      const body = await aRegistration(node, app.now(), { endpoint })
      expect((await app.send('POST', '/api/nodes', { account: OPERATOR, body })).status).toBe(201)
    }
    await until(() => linked.closes.length === 1)
    expect(linked.closes[0]?.code).toBe(LINK_CLOSE.going)
    await linkOf(joined)
    await shown(nodeId)
  })

  it('is not taken by the cron for one that fails before it has linked, and is proved by it afterwards', async () => {
    const joined = await registered()
    await app.cron()
    expect(joined.node.calls).toEqual([])
    await linkOf(joined)
    await shown(joined.nodeId)
    await app.cron()
    expect(await app.node(joined.nodeId)).toMatchObject({ state: 'probation', reason: null })
  })

  it('loses its place by a failed proof while it is linked', async () => {
    const joined = await registered()
    const { nodeId, node } = joined
    await linkOf(joined)
    await app.hello(nodeId, node)
    node.bad.challenge = () => new Response('no', { status: 500 })
    app.advance(60_000)
    await app.hello(nodeId, node)
    const view = await app.node(nodeId)
    expect(view.state).toBe('pending')
    await shown(nodeId)
    expect((await app.node(nodeId)).reason).toContain('status 500')
  })
})

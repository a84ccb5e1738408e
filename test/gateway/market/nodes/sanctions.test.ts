// Stopping a node and letting it in again: on real guards and the registry.
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSanctions } from '../../../../gateway/market/nodes/sanctions.ts'
import type { SanctionCause, Sanctions } from '../../../../gateway/market/nodes/sanction-port.ts'
import type { NodeGuards } from '../../../../gateway/market/guard/node-guard.ts'
import { SIGN_IN } from '../../../../gateway/core/limits.ts'
import { LINK_CLOSE } from '../../../../protocol/link.ts'
import type { NodeView } from '../../../../protocol/node.ts'
import { NodeStatusView, SanctionsReply } from '../../../../protocol/operator.ts'
import type { CallId, NodeId } from '../../../../protocol/units.ts'
import { aReport, CHAT_MODEL, OPERATOR, STRANGER } from '../builders.ts'
import { createFakeNode, type FakeNode } from '../fake-node.ts'
import { addWallet, aRegistration, authorWallet } from '../market-app.ts'
import { createOperatorHouse, type OperatorHouse, type Refusal } from './operator-house.ts'

const FOUND: SanctionCause = {
  by: 'audit',
  reason: 'Its answers were not those of the model.',
  evidence: { wrong: 7, asked: 12 },
}
const MENDED: SanctionCause = { by: 'house', reason: 'It was mended.', evidence: {} }

let house: OperatorHouse
let node: FakeNode & { id: NodeId }
let sanctions: Sanctions
beforeAll(async () => {
  house = await createOperatorHouse()
  sanctions = createSanctions(house.needs)
  await house.publish()
})
afterAll(() => void vi.useRealTimers())
beforeEach(async () => {
  await env.DB.batch(['nodes', 'node_keys', 'offers'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  node = await house.aNode()
})

const stateOf = () => env.DB.prepare('SELECT state, reason FROM nodes WHERE id = ?').bind(node.id).first()
const rows = async () =>
  (
    await env.DB.prepare('SELECT what, by, reason, evidence, operator_account_id FROM sanctions WHERE node_id = ?')
      .bind(node.id)
      .all()
  ).results
const serve = async (times: number) => {
  for (let n = 0; n < times; n++) {
    const callId = `call_${node.id.slice(5)}${String(n).padStart(10, '0')}` as CallId // of a call's form
    await house.needs.nodeGuards(node.id).attemptEnded(aReport({ nodeId: node.id, callId }))
  }
}
const register = async (by: FakeNode, operator = OPERATOR, over: object = {}) => {
  const wallet = authorWallet(`${operator}-operator`)
  await addWallet(operator, wallet.address)
  const body = await aRegistration(by, house.now(), { operator: wallet.address, ...over }, { wallet })
  house.later(2_000)
  return house.send<NodeView & Refusal>('POST', '/api/nodes', { account: operator, body })
}

describe('a suspension', () => {
  it('stops the node, drops its link and is written down, all once', async () => {
    const dropped: unknown[] = []
    const nodeGuards: NodeGuards = (id) => ({
      ...house.needs.nodeGuards(id),
      dropLink: (...told) => Promise.resolve(void dropped.push(told)),
    })
    const watched = createSanctions({ ...house.needs, nodeGuards })
    expect(await watched.suspend(node.id, FOUND)).toBe(true)
    expect(await watched.suspend(node.id, FOUND)).toBe(false)
    expect(await stateOf()).toEqual({ state: 'suspended', reason: FOUND.reason })
    expect(dropped).toEqual([[LINK_CLOSE.revoked, 'It was suspended.']])
    expect(await rows()).toEqual([
      { what: 'suspended', ...FOUND, evidence: '{"wrong":7,"asked":12}', operator_account_id: OPERATOR },
    ])
  })

  it('is of one of two at the same moment', async () => {
    const done = await Promise.all([sanctions.suspend(node.id, FOUND), sanctions.suspend(node.id, FOUND)])
    expect(done.sort()).toEqual([false, true])
    expect(await rows()).toHaveLength(1)
  })

  it('stands although the guard does not answer', async () => {
    const nodeGuards: NodeGuards = (id) => ({
      ...house.needs.nodeGuards(id),
      dropLink: () => Promise.reject(new Error('planned: away')),
    })
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    expect(await createSanctions({ ...house.needs, nodeGuards }).suspend(node.id, FOUND)).toBe(true)
    vi.restoreAllMocks()
    expect(await stateOf()).toMatchObject({ state: 'suspended' })
  })

  it.each(['revoked', 'suspended'])('is not for a node that is %s already', async (state) => {
    await env.DB.prepare('UPDATE nodes SET state = ? WHERE id = ?').bind(state, node.id).run()
    expect(await sanctions.suspend(node.id, FOUND)).toBe(false)
    expect(await rows()).toEqual([])
  })

  it('takes the node out of what calls see, within the age of a snapshot', async () => {
    const seen = async () => (await house.needs.market.snapshot(CHAT_MODEL, () => undefined))?.offers.length
    expect(await seen()).toBe(1)
    await sanctions.suspend(node.id, FOUND)
    house.later(30_000)
    expect(await seen()).toBe(0)
  })

  it('outlives a registration of the same key, also at another address', async () => {
    await sanctions.suspend(node.id, FOUND)
    for (const endpoint of ['https://node.example.com', 'https://moved.example.com']) {
      const again = await register(node, OPERATOR, { endpoint })
      expect([again.status, again.body.id, again.body.state, again.body.reason]).toEqual([
        201,
        node.id,
        'suspended',
        FOUND.reason,
      ])
    }
  })
})

describe('the operator of a suspended node', () => {
  it('may not bring in another one, and reads why, until it is lifted', async () => {
    await sanctions.suspend(node.id, FOUND)
    const other = await createFakeNode(house.now)
    const refused = await register(other)
    expect([refused.status, refused.body.error?.code]).toEqual([403, 'forbidden'])
    expect(refused.body.error?.message).toContain('(Its answers were not those of the model)')
    await sanctions.reinstate(node.id, MENDED)
    expect((await register(other)).status).toBe(201)
  })

  it('may not bring back one that was revoked', async () => {
    const other = await createFakeNode(house.now)
    const { id } = (await register(other)).body
    await house.send('POST', `/api/nodes/${id}/revoke`, { account: OPERATOR })
    await sanctions.suspend(node.id, FOUND)
    expect((await register(other)).status).toBe(403)
  })

  it('keeps and moves the nodes that are there', async () => {
    const other = await createFakeNode(house.now)
    await register(other)
    await sanctions.suspend(node.id, FOUND)
    expect((await register(other, OPERATOR, { endpoint: 'https://moved.example.com' })).status).toBe(201)
  })

  it('is known by its wallet as well, under whatever account', async () => {
    await sanctions.suspend(node.id, FOUND)
    const wallet = authorWallet(`${OPERATOR}-operator`)
    await env.DB.prepare('UPDATE wallets SET account_id = ? WHERE address = ?').bind(STRANGER, wallet.address).run()
    const body = await aRegistration(
      await createFakeNode(house.now),
      house.now(),
      { operator: wallet.address },
      { wallet },
    )
    expect((await house.send('POST', '/api/nodes', { account: STRANGER, body })).status).toBe(403)
    await env.DB.prepare('UPDATE wallets SET account_id = ? WHERE address = ?').bind(OPERATOR, wallet.address).run()
  })

  it('stops nobody else', async () => {
    await sanctions.suspend(node.id, FOUND)
    expect((await register(await createFakeNode(house.now), STRANGER)).status).toBe(201)
  })
})

describe('a reinstatement', () => {
  it('lets the node go on in probation, its attempts counted from none, its health as it was', async () => {
    await serve(20)
    const health = () =>
      env.DB.prepare('SELECT trust_ppm, drift_ppm FROM offers WHERE node_id = ?').bind(node.id).first()
    await env.DB.prepare('UPDATE offers SET trust_ppm = 400000, drift_ppm = 7 WHERE node_id = ?').bind(node.id).run()
    await sanctions.suspend(node.id, FOUND)
    expect(await sanctions.reinstate(node.id, MENDED)).toBe(true)
    expect(await stateOf()).toEqual({ state: 'probation', reason: null })
    expect(await house.needs.nodeGuards(node.id).servedAttempts()).toBe(0)
    expect(await health()).toEqual({ trust_ppm: 400_000, drift_ppm: 7 })
    expect((await rows()).map(({ what, by }) => [what, by])).toEqual([
      ['suspended', 'audit'],
      ['reinstated', 'house'],
    ])
    expect(await sanctions.reinstate(node.id, MENDED)).toBe(false)
  })

  it.each([
    // 6 of 17 nats, of which the first 2 cost nothing: where audits look closely, and callers still come.
    ['none, as audits left it', 0, 733_333],
    ['a millionth', 1, 1],
    ['less than it would begin with', 733_332, 733_332],
    ['more', 999_999, 999_999],
    ['nothing known', null, null],
  ])('with %s in its answers lets it begin where audits will: %s becomes %s', async (_, before, after) => {
    const trustOf = (id: string) =>
      env.DB.prepare('SELECT trust_ppm FROM offers WHERE node_id = ?').bind(id).first<number | null>('trust_ppm')
    const other = await house.aNode({ endpoint: 'https://other.example.com' }, STRANGER)
    await env.DB.prepare('UPDATE offers SET trust_ppm = ?').bind(before).run()
    await sanctions.suspend(node.id, FOUND)
    expect(await trustOf(node.id)).toBe(before)
    await sanctions.reinstate(node.id, MENDED)
    expect(await trustOf(node.id)).toBe(after)
    expect(await trustOf(other.id)).toBe(before)
    // Again is no second chance.
    await env.DB.prepare('UPDATE offers SET trust_ppm = 0').run()
    expect(await sanctions.reinstate(node.id, MENDED)).toBe(false)
    expect(await trustOf(node.id)).toBe(0)
  })

  it('of a node that lost its proof meanwhile sends it through its proofs', async () => {
    await sanctions.suspend(node.id, FOUND)
    await register(node, OPERATOR, { endpoint: 'https://moved.example.com' })
    expect(await sanctions.reinstate(node.id, MENDED)).toBe(true)
    expect(await stateOf()).toMatchObject({ state: 'pending' })
  })

  it('is not for a node that serves, whose count it leaves alone', async () => {
    await serve(3)
    expect(await sanctions.reinstate(node.id, MENDED)).toBe(false)
    expect(await house.needs.nodeGuards(node.id).servedAttempts()).toBe(3)
    expect(await rows()).toEqual([])
  })
})

describe('what an operator reads of it', () => {
  const look = async () => NodeStatusView.parse((await house.byNode(node, 'GET', 'status')).body)
  const list = async () => SanctionsReply.parse((await house.byNode(node, 'GET', 'sanctions')).body).data

  it('is why, since when and by what it was decided, and afterwards how far its probation is', async () => {
    await serve(4)
    expect((await look()).probation).toMatchObject({ served: 4, attempts: 20, waitingShare: 0.5 })
    await sanctions.suspend(node.id, FOUND)
    const stopped = await look()
    expect(stopped).toMatchObject({ probation: null, suspension: { by: 'audit', evidence: { wrong: 7, asked: 12 } } })
    expect(stopped.reasons).toEqual([expect.stringContaining('(wrong 7, asked 12)')])
    house.later(1_000)
    await sanctions.reinstate(node.id, MENDED)
    expect(await look()).toMatchObject({ probation: { served: 0 }, suspension: null })
    expect(await list()).toMatchObject([
      { what: 'reinstated', by: 'house', reason: MENDED.reason, at: new Date(house.now()).toISOString() },
      { what: 'suspended', by: 'audit', reason: FOUND.reason, evidence: { wrong: 7, asked: 12 } },
    ])
  })

  it('is nobody else’s to read, but for an admin', async () => {
    const ask = (as: Parameters<OperatorHouse['send']>[2]) =>
      house.send<Refusal>('GET', `/api/nodes/${node.id}/sanctions`, as)
    expect((await ask({ account: STRANGER })).status).toBe(404)
    expect((await ask({})).status).toBe(401)
    expect((await ask({ account: STRANGER, admin: true })).status).toBe(200)
    expect((await ask({ account: OPERATOR })).status).toBe(200)
  })

  it('is the state alone where a node was stopped before reasons were written down', async () => {
    await env.DB.prepare(`UPDATE nodes SET state = 'suspended', reason = 'Old.' WHERE id = ?`).bind(node.id).run()
    expect(await look()).toMatchObject({
      suspension: null,
      reasons: [expect.stringContaining('It is suspended: Old.')],
    })
  })
})

describe('an admin', () => {
  const post = (what: string, over: object = {}, id: string = node.id) =>
    house.send<NodeView & Refusal>('POST', `/api/admin/nodes/${id}/${what}`, {
      account: STRANGER,
      admin: true,
      body: { reason: 'Its owner asked for it.' },
      ...over,
    })

  it('stops a node and lets it in again, each once', async () => {
    expect((await post('suspend')).body).toMatchObject({ state: 'suspended', reason: 'Its owner asked for it.' })
    expect((await post('suspend')).body.error).toMatchObject({ code: 'conflict' })
    expect((await post('reinstate')).body).toMatchObject({ state: 'probation', reason: null })
    expect((await post('reinstate')).status).toBe(409)
    expect((await rows()).map(({ what, by, evidence }) => [what, by, evidence])).toEqual([
      ['suspended', 'house', `{"admin":"${STRANGER}"}`],
      ['reinstated', 'house', `{"admin":"${STRANGER}"}`],
    ])
  })

  it.each<[string, object, number]>([
    ['who is none', { admin: false }, 403],
    ['whose sign-in is old', { signedInAgo: SIGN_IN.freshMs + 1 }, 401],
    ['without a reason', { body: { reason: ' ' } }, 400],
  ])('%s is refused', async (_, over, status) => {
    for (const what of ['suspend', 'reinstate']) expect((await post(what, over)).status).toBe(status)
    expect(await rows()).toEqual([])
  })

  it.each(['node_0000000000000000', 'x'])('finds no node %s', async (id) => {
    for (const what of ['suspend', 'reinstate']) expect((await post(what, {}, id)).status).toBe(404)
  })
})

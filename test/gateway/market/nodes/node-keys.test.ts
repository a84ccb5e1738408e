// A node's keys over its life: exchanged with both keys' word or a fresh sign-in, nobody else's ever after, taken back and given again.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { privateKeyToAccount } from 'viem/accounts'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { SIGN_IN, SNAPSHOT, ROTATION_PROOF_MS } from '../../../../gateway/core/limits.ts'
import type { AppEnv } from '../../../../gateway/core/principal.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { takeReceipts } from '../../../../gateway/inference/receipts/late-receipts.ts'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import { createMarket } from '../../../../gateway/market/market.ts'
import { createNodeBook } from '../../../../gateway/market/nodes/node-book.ts'
import { createOfferBook } from '../../../../gateway/market/offers/offer-book.ts'
import { createNodeKeyRoutes } from '../../../../gateway/market/nodes/node-key-routes.ts'
import { bytesToHex, fromBase64url } from '../../../../protocol/canonical.ts'
import { LINK_CLOSE } from '../../../../protocol/link.ts'
import {
  challengeClaims,
  nodeAuthorizationDomain,
  nodeAuthorizationTypes,
  PROOF_TYP,
  type NodeView,
} from '../../../../protocol/node.ts'
import { ROTATION_TYP, rotationClaims, type NodeKeyView, type RotateRequest } from '../../../../protocol/operator.ts'
import { signReceipt } from '../../../../protocol/receipt.ts'
import { readTicket, signClaims } from '../../../../protocol/ticket.ts'
import { instant } from '../../../../protocol/units.ts'
import { CHAT_MODEL, OPERATOR, STRANGER } from '../builders.ts'
import { createFakeNode, type FakeNode } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, OPERATOR_WALLET, type MarketApp } from '../market-app.ts'

type Reply = NodeView & { error?: { code: string; message: string; param: string | null } }

let app: MarketApp
let node: FakeNode
let id: string
beforeAll(async () => {
  app = await createMarketApp()
  await addWallet()
  await app.publish()
})
beforeEach(async () => {
  await env.DB.batch(['nodes', 'node_keys', 'offers'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  node = await createFakeNode(app.now)
  app.connect(node)
  id = (await register(node)).body.id
})
const register = async (by: FakeNode, endpoint = 'https://node.example.com') =>
  app.send<Reply>('POST', '/api/nodes', { account: OPERATOR, body: await aRegistration(by, app.now(), { endpoint }) })
const stateOf = async () => (await app.node(id)).state
const keyOf = async (key: string) => (await app.send<NodeKeyView>('GET', `/api/node-keys/${key}`)).body

interface Changes {
  over?: Partial<RotateRequest>
  /** absent: the node's own */
  oldKey?: string
  /** signs for the old key; null: nobody does */
  old?: FakeNode | null
  wallet?: typeof OPERATOR_WALLET
}
/** Right in every part, before `over`. */
async function aRotation(to: FakeNode, { over = {}, oldKey = node.nodeKey, old = node, wallet }: Changes = {}) {
  const signer = wallet ?? OPERATOR_WALLET
  const deadline = over.deadline ?? Math.floor(app.now() / 1_000) + 3_600
  const settlementKey = privateKeyToAccount(`0x${'66'.repeat(32)}`).address
  const signature = await signer.signTypedData({
    domain: nodeAuthorizationDomain(app.needs.config.chainId),
    types: nodeAuthorizationTypes,
    primaryType: 'NodeAuthorization',
    message: {
      operator: signer.address,
      nodeKey: `0x${bytesToHex(fromBase64url(to.nodeKey))}`,
      settlementKey,
      deadline: BigInt(deadline),
    },
  })
  const claims = rotationClaims(id, oldKey, to.nodeKey, deadline)
  const newProof = await signClaims(claims, to.privateKey, { typ: ROTATION_TYP })
  const oldProof = old && (await signClaims(claims, old.privateKey, { typ: ROTATION_TYP }))
  const signed = { nodeKey: to.nodeKey, settlementKey, operator: signer.address, deadline, signature, newProof }
  return { ...signed, ...(oldProof === null ? {} : { oldProof }), ...over }
}
const rotate = async (
  to: FakeNode,
  changes: Changes = {},
  account: string = OPERATOR,
  signedInAgo = SIGN_IN.freshMs + 1,
) => app.send<Reply>('POST', `/api/nodes/${id}/rotate`, { account, signedInAgo, body: await aRotation(to, changes) })

describe('an exchange of keys', () => {
  it('keeps id, state, offers and history, and goes on serving', async () => {
    const before = await app.node(id)
    const to = await createFakeNode(app.now)
    const rotated = await rotate(to)
    expect(rotated.status).toBe(200)
    expect(rotated.body).toEqual({ ...before, nodeKey: to.nodeKey })
    expect(before.state).toBe('probation')
  })

  it('writes tickets for the new key as soon as the snapshot is fresh', async () => {
    const clock = () => instant(app.now())
    const market = createMarket({ db: env.DB, nodeGuards: app.needs.nodeGuards, clock })
    const seen = async () => (await market.snapshot(CHAT_MODEL, () => undefined))?.offers.map(({ nodeKey }) => nodeKey)
    expect(await seen()).toEqual([node.nodeKey])
    const to = await createFakeNode(app.now)
    await rotate(to)
    expect(await seen()).toEqual([node.nodeKey])
    app.advance(SNAPSHOT.staleMs)
    expect(await seen()).toEqual([to.nodeKey])
  })

  it('takes a receipt of the old key late, for a ticket that names it', async () => {
    const jws = node.calls.at(-1)?.ticket ?? ''
    const ticket = readTicket(jws)
    if (!ticket) throw new Error('a probe carries a ticket')
    await rotate(await createFakeNode(app.now))
    const at = new Date(app.now()).toISOString()
    const { jti, callId, attempt, model, modelDigest } = ticket
    const said = { jti, callId, attempt, model, modelDigest, nodeKey: node.nodeKey, request: 'a'.repeat(64) }
    const times = {
      startedAt: at,
      firstOutputAt: at,
      endedAt: at,
      outcome: 'complete',
      continuedCharacters: 0,
    } as const
    const done = { ...said, outputs: ['b'.repeat(64)], inputTokens: 1, outputTokens: 1, ...times }
    const receipt = await signReceipt(done, node.privateKey)
    const needs = { ...app.needs, accounts: createAccounts(env.ACCOUNT), noteRefused: async () => undefined }
    expect(await takeReceipts(needs, [{ ticket: jws, receipt }], 'req_test')).toEqual([{ outcome: 'taken' }])
  })

  it('must prove its endpoint with the new key: by its hello, or when it has had time to come up', async () => {
    const to = await createFakeNode(app.now)
    await rotate(to)
    const asked = node.calls.length
    await app.cron()
    expect(node.calls).toHaveLength(asked)
    app.advance(ROTATION_PROOF_MS)
    await app.cron()
    const failed = await app.node(id)
    expect(failed).toMatchObject({ state: 'pending' })
    expect(failed.reason).toContain('not signed by the node key')
    app.connect(to)
    await app.cron()
    expect(await stateOf()).toBe('probation')
  })

  it('keeps its state when it greets with the new key, and the old one is heard no more', async () => {
    await env.DB.prepare("UPDATE nodes SET state = 'active'").run()
    const to = await createFakeNode(app.now)
    await rotate(to)
    app.advance(3_000)
    expect((await app.hello(id, node)).status).toBe(422)
    app.connect(to)
    expect((await app.hello(id, to)).body.state).toBe('active')
    expect(await env.DB.prepare('SELECT proved_at IS NOT NULL AS n FROM nodes').first('n')).toBe(1)
  })

  it('is not undone by a proof that the old key was still giving', async () => {
    const to = await createFakeNode(app.now)
    node.bad.challenge = async () => {
      await rotate(to)
      return new Response('too late', { status: 500 })
    }
    app.advance(3_000)
    await app.hello(id, node)
    expect(await app.node(id)).toMatchObject({ state: 'probation', nodeKey: to.nodeKey })
  })

  it('is not proved by what the old key was still signing', async () => {
    const to = await createFakeNode(app.now)
    node.bad.challenge = async (request) => {
      await rotate(to)
      const proof = await signClaims(challengeClaims(request), node.privateKey, { typ: PROOF_TYP.challenge })
      return Response.json({ proof })
    }
    app.advance(3_000)
    await app.hello(id, node)
    expect(await env.DB.prepare('SELECT proved_at FROM nodes').first('proved_at')).toBeNull()
  })

  it('without the old key asks for a fresh sign-in', async () => {
    const to = await createFakeNode(app.now)
    const late = await rotate(to, { old: null })
    expect([late.status, late.body.error?.code]).toEqual([401, 'fresh_sign_in_required'])
    expect((await rotate(to, { old: null }, OPERATOR, SIGN_IN.freshMs)).body.nodeKey).toBe(to.nodeKey)
  })

  it('changes nothing the second time', async () => {
    const to = await createFakeNode(app.now)
    const first = await rotate(to)
    expect((await rotate(to)).body).toEqual(first.body)
    expect(await env.DB.prepare('SELECT count(*) AS n FROM node_keys').first('n')).toBe(2)
  })

  it('of two at the same moment one wins, and the other key stays free', async () => {
    const all = await Promise.all([createFakeNode(app.now), createFakeNode(app.now)])
    const replies = await Promise.all(all.map((to) => rotate(to)))
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409])
    const current = (await app.node(id)).nodeKey
    for (const { nodeKey } of all)
      expect(await keyOf(nodeKey)).toMatchObject(
        nodeKey === current ? { nodeId: id } : { error: { code: 'not_found' } },
      )
  })

  it.each<[string, (to: FakeNode) => Promise<Changes> | Changes, string | null]>([
    ['whose deadline has passed', () => ({ over: { deadline: Math.floor(app.now() / 1_000) } }), null],
    ['signed by another wallet', () => ({ over: { signature: `0x${'00'.repeat(65)}` } }), null],
    ['by a wallet of somebody else', () => ({ wallet: privateKeyToAccount(`0x${'77'.repeat(32)}`) }), 'operator'],
    ['of another old key', async () => ({ oldKey: (await createFakeNode(app.now)).nodeKey }), 'newProof'],
    ['the new key did not sign', () => ({ over: { newProof: 'a.b.c' } }), 'newProof'],
    ['the old key did not sign', async () => ({ old: await createFakeNode(app.now) }), 'oldProof'],
  ])('is refused %s', async (_, changes, param) => {
    const to = await createFakeNode(app.now)
    const refused = await rotate(to, await changes(to))
    expect(refused.body.error).toMatchObject({ code: 'authorization_refused', param })
    expect((await app.node(id)).nodeKey).toBe(node.nodeKey)
  })

  it('is its operator’s alone: not a stranger’s, not an admin’s', async () => {
    const body = await aRotation(await createFakeNode(app.now))
    const path = `/api/nodes/${id}/rotate`
    expect((await app.send('POST', path, { account: STRANGER, body })).status).toBe(404)
    expect((await app.send('POST', path, { account: STRANGER, admin: true, body })).status).toBe(404)
    expect((await app.send('POST', path, { body })).status).toBe(401)
  })
})

describe('a key', () => {
  it('that was exchanged is registered by nobody, and taken by no other node', async () => {
    const to = await createFakeNode(app.now)
    await rotate(to)
    const again = await register(node)
    expect(again.body.error).toMatchObject({ code: 'conflict', param: 'nodeKey' })
    expect(again.body.error?.message).toContain('exchanged')
    const old = node
    const other = await createFakeNode(app.now)
    node = other
    app.connect(other)
    id = (await register(other, 'https://second.example.com')).body.id
    expect((await rotate(old)).body.error?.code).toBe('conflict')
    expect((await rotate(to)).body.error?.code).toBe('conflict')
    expect((await app.node(id)).nodeKey).toBe(other.nodeKey)
  })

  it('cannot come in by a registration that began before it was exchanged', async () => {
    const to = await createFakeNode(app.now)
    const body = await aRegistration(node, app.now(), { name: 'late' })
    const db = new Proxy(env.DB, {
      get: (target, name) =>
        name === 'batch'
          ? async (statements: D1PreparedStatement[]) => {
              await rotate(to)
              return target.batch(statements)
            }
          : (Reflect.get(target, name) as unknown),
    })
    const { registerNode } = await import('../../../../gateway/market/nodes/register.ts')
    await expect(registerNode({ ...app.needs, book: createNodeBook(db) }, body, OPERATOR)).rejects.toMatchObject({
      code: 'conflict',
    })
    expect(await app.node(id)).toMatchObject({ name: 'a machine', nodeKey: to.nodeKey })
  })

  it('says to everybody whose it is, and that another took its place', async () => {
    expect(await keyOf(node.nodeKey)).toEqual({ nodeId: id, state: 'probation', replacedAt: null })
    const to = await createFakeNode(app.now)
    await rotate(to)
    const at = new Date(app.now()).toISOString()
    expect(await keyOf(node.nodeKey)).toEqual({ nodeId: id, state: 'probation', replacedAt: at })
    expect(await keyOf(to.nodeKey)).toMatchObject({ nodeId: id, replacedAt: null })
    for (const key of ['A'.repeat(43), 'none'])
      expect((await app.send('GET', `/api/node-keys/${key}`)).status).toBe(404)
  })

  it('of a node from before keys were kept is found, and can be exchanged', async () => {
    await env.DB.prepare('DELETE FROM node_keys').run()
    expect(await keyOf(node.nodeKey)).toMatchObject({ nodeId: id, replacedAt: null })
    expect((await rotate(await createFakeNode(app.now))).status).toBe(200)
    expect((await keyOf(node.nodeKey)).replacedAt).not.toBeNull()
  })
})

describe('an authorisation that is taken back', () => {
  const revoke = (account: string = OPERATOR, signedInAgo = 0) =>
    app.send<Reply>('POST', `/api/nodes/${id}/revoke`, { account, signedInAgo })

  it('ends calls, hellos and draining, and says how to come back', async () => {
    expect((await revoke()).body).toMatchObject({
      state: 'revoked',
      reason: expect.stringContaining('register') as string,
    })
    expect((await revoke()).body.state).toBe('revoked')
    const market = createMarket({ ...app.needs, nodeGuards: app.needs.nodeGuards })
    expect((await market.snapshot(CHAT_MODEL, () => undefined))?.offers).toEqual([])
    app.advance(3_000)
    const hello = await app.hello(id, node)
    expect([hello.status, hello.body.error?.code]).toEqual([422, 'authorization_refused'])
    for (const what of ['drain', 'resume'])
      expect((await app.send('POST', `/api/nodes/${id}/${what}`, { account: OPERATOR })).status).toBe(409)
    const asked = node.calls.length
    await app.cron()
    expect([await stateOf(), node.calls.length]).toEqual(['revoked', asked])
  })

  it('is given again by the wallet: the node waits for its proof, keeps its id, and serves', async () => {
    await revoke()
    const back = await register(node)
    expect(back.body).toMatchObject({ id, state: 'pending' })
    expect(await stateOf()).toBe('probation')
  })

  it('asks for a fresh sign-in of its own operator', async () => {
    expect((await revoke(OPERATOR, SIGN_IN.freshMs + 1)).body.error?.code).toBe('fresh_sign_in_required')
    expect((await revoke(STRANGER)).status).toBe(404)
    expect(await stateOf()).toBe('probation')
  })

  it('does not lift what an audit decided', async () => {
    await env.DB.prepare("UPDATE nodes SET state = 'suspended', reason = 'an audit'").run()
    expect((await revoke()).status).toBe(409)
    expect(await app.node(id)).toMatchObject({ state: 'suspended', reason: 'an audit' })
  })

  it('stands against a registration that began before', async () => {
    const body = await aRegistration(node, app.now())
    const db = new Proxy(env.DB, {
      get: (target, name) =>
        name === 'batch'
          ? async (statements: D1PreparedStatement[]) => {
              await revoke()
              return target.batch(statements)
            }
          : (Reflect.get(target, name) as unknown),
    })
    const { registerNode } = await import('../../../../gateway/market/nodes/register.ts')
    await registerNode({ ...app.needs, book: createNodeBook(db) }, body, OPERATOR)
    expect(await stateOf()).toBe('revoked')
  })

  it('is not undone by a drain or a review that began before', async () => {
    await revoke()
    const book = createNodeBook(env.DB)
    const { node: row } = (await book.find(id as never)) ?? {}
    if (!row) throw new Error('the node is there')
    expect(await createOfferBook(env.DB).moveNode(row.id as never, ['active', 'probation'], 'draining', null)).toBe(
      false,
    )
    await book.unproved(row, 'x')
    expect(await stateOf()).toBe('revoked')
  })
})

it('a link is closed when its key is exchanged and when its node is revoked, and a guard that is away stops neither', async () => {
  vi.spyOn(console, 'error').mockImplementationOnce(() => undefined)
  const dropped: [number, string][] = []
  const guards = (isAway: boolean) => (nodeId: Parameters<typeof app.needs.nodeGuards>[0]) => ({
    ...app.needs.nodeGuards(nodeId),
    dropLink: (code: number, reason: string) => {
      dropped.push([code, reason])
      return isAway ? Promise.reject(new Error('away')) : Promise.resolve()
    },
  })
  const ask = async (isAway: boolean, path: string, body?: unknown) => {
    const routes = createNodeKeyRoutes({ ...app.needs, nodeGuards: guards(isAway), book: createNodeBook(env.DB) })
    const secret = new Secret('token')
    const at = { signedInAt: instant(app.now()), viaCookie: false, secret, address: '', roles: ['consumer'] as const }
    const house = new Hono<AppEnv>()
      .use(async (c, next) => {
        c.set('principal', { kind: 'session', member: 'owner', accountId: OPERATOR, ...at })
        await next()
      })
      .route('/', routes)
    const json = { body: JSON.stringify(body ?? {}), headers: { 'content-type': 'application/json' } }
    return house.request(`/nodes/${id}/${path}`, { method: 'POST', ...json })
  }
  expect((await ask(false, 'rotate', await aRotation(await createFakeNode(app.now)))).status).toBe(200)
  expect((await ask(true, 'revoke')).status).toBe(200)
  expect(dropped.map(([code]) => code)).toEqual([LINK_CLOSE.revoked, LINK_CLOSE.revoked])
  expect(dropped[1]?.[1]).toContain('authorisation')
})

// How many nodes an account may bring in: the rule by its edges, and the routes at each limit, one over, and by two at the same moment.
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { NODE_QUOTAS } from '../../../../gateway/core/limits.ts'
import { hostPrefix, quotaRefusal, type Entry, type NodeCounts } from '../../../../gateway/market/nodes/quota.ts'
import type { NodeView } from '../../../../protocol/node.ts'
import { instant } from '../../../../protocol/units.ts'
import { anOfferRequest, OPERATOR, STRANGER } from '../builders.ts'
import { createFakeNode, type FakeNode } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, type MarketApp } from '../market-app.ts'

const HOUR_MS = 3_600_000
const NOW = instant(10 * HOUR_MS)
const LIMITS = { ...NODE_QUOTAS, owned: 50 }
const NOTHING: NodeCounts = { owned: 0, newInHour: 0, firstOfHour: null, pending: 0, atHost: 0, suspended: null }
const suspended = { name: 'a machine', reason: 'Its answers were wrong.' }

describe('the rule', () => {
  it.each<[string, Entry, Partial<NodeCounts>, string | null]>([
    ['the last node an account may have', 'new', { owned: 49 }, null],
    ['one more', 'new', { owned: 50 }, 'conflict'],
    ['a revoked one that would be one more', 'back', { owned: 50 }, 'conflict'],
    ['the tenth of an hour', 'new', { newInHour: 9, firstOfHour: NOW }, null],
    ['the eleventh', 'new', { newInHour: 10, firstOfHour: NOW }, 'rate_limited'],
    ['a revoked one after ten new ones', 'back', { newInHour: 10, firstOfHour: NOW }, null],
    ['the tenth that waits', 'new', { pending: 9 }, null],
    ['the eleventh that waits', 'new', { pending: 10 }, 'conflict'],
    ['a revoked one beside ten that wait', 'back', { pending: 10 }, 'conflict'],
    ['the twentieth of a host', 'new', { atHost: 19 }, null],
    ['the twenty-first', 'new', { atHost: 20 }, 'endpoint_refused'],
    ['one that moves there', 'moved', { atHost: 20 }, 'endpoint_refused'],
    ['a new one of an operator with a suspended node', 'new', { suspended }, 'forbidden'],
    ['a revoked one of such an operator', 'back', { suspended }, 'forbidden'],
    ['one of its others that moves', 'moved', { suspended }, null],
    ['one that moves elsewhere, of an account that is full', 'moved', { owned: 50, pending: 10, newInHour: 10 }, null],
  ])('%s', (_, entry, counts, code) => {
    expect(quotaRefusal(entry, { ...NOTHING, ...counts }, LIMITS, NOW)?.code ?? null).toBe(code)
  })

  it.each([
    [NOW - HOUR_MS + 1, 1_000],
    [NOW - 60_000, HOUR_MS - 60_000],
    [NOW, HOUR_MS],
  ])('says when the hour of the first is over', (first, ms) => {
    const counts = { ...NOTHING, newInHour: 10, firstOfHour: instant(first) }
    expect(quotaRefusal('new', counts, LIMITS, NOW)?.retryAfterMs).toBe(ms)
  })

  it.each([
    ['https://node.example.com', 'https://node.example.com'],
    ['https://node.example.com:8443/souk', 'https://node.example.com'],
    ['http://127.0.0.1:8790', 'http://127.0.0.1'],
    ['https://[2606:4700::1111]:8443', 'https://[2606:4700::1111]'],
    ['link', null],
  ])('the host of %s', (endpoint, prefix) => expect(hostPrefix(endpoint)).toBe(prefix))
})

let app: MarketApp
let node: FakeNode
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  app = await createMarketApp({ quotas: NODE_QUOTAS })
  await addWallet()
  await app.publish()
})
afterAll(() => void vi.useRealTimers())
/** Guards keep their own time. */
const guardsLater = (ms: number) => void vi.setSystemTime(Date.now() + ms)
beforeEach(async () => {
  await env.DB.batch(['nodes', 'node_keys', 'offers'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  node = await createFakeNode(app.now)
})

type Reply = NodeView & { error?: { code: string; message: string; param: string | null } }
const register = async (endpoint = 'https://node.example.com', by = node) =>
  app.send<Reply>('POST', '/api/nodes', { account: OPERATOR, body: await aRegistration(by, app.now(), { endpoint }) })

interface Rows {
  state?: string
  operator?: string
  endpoint?: string
  agoMs?: number
  isProved?: boolean
}
let made = 0
/** Nodes that are there already. */
async function there(
  count: number,
  { state = 'active', operator = OPERATOR, agoMs = 2 * HOUR_MS, ...rest }: Rows = {},
) {
  const { endpoint = 'https://other.example.com', isProved = true } = rest
  const ids = JSON.stringify(Array.from({ length: count }, () => ++made))
  await env.DB.prepare(
    `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, proved_at, created_at)
     SELECT 'node_' || value, 'x', ?, '', 'key' || value, '', ?, ?, ?, ? FROM json_each(?)`,
  )
    .bind(operator, endpoint, state, isProved ? app.now() : null, app.now() - agoMs, ids)
    .run()
}
const nodesThere = () => env.DB.prepare('SELECT count(*) AS n FROM nodes').first<number>('n')

describe('a registration', () => {
  it.each<[string, number, Rows, number, string]>([
    ['has ten new nodes in an hour', 10, { agoMs: HOUR_MS - 60_000 }, 429, 'rate_limited'],
    ['has ten that wait for their proof', 10, { state: 'pending' }, 409, 'conflict'],
    ['has fifty nodes', 50, {}, 409, 'conflict'],
  ])('of an account that %s is refused, and the one before it is not', async (_, limit, rows, status, code) => {
    await there(limit - 1, rows)
    expect((await register()).status).toBe(201)
    node = await createFakeNode(app.now)
    // The one that came in was not proved: it is new, and waits.
    const refused = await register('https://second.example.com')
    expect([refused.status, refused.body.error?.code]).toEqual([status, code])
    expect(await nodesThere()).toBe(limit)
    expect(await env.DB.prepare('SELECT count(*) AS n FROM node_keys').first('n')).toBe(1)
  })

  it('says after how many seconds the next one may come, and takes it then', async () => {
    await there(10, { agoMs: HOUR_MS - 60_000 })
    const refused = await register()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60'])
    app.advance(60_000)
    expect((await register()).status).toBe(201)
  })

  it('refuses the twenty-first node behind one host name, whatever its port, path or owner', async () => {
    await there(10, { operator: STRANGER, endpoint: 'https://node.example.com:8443' })
    await there(9, { operator: STRANGER, endpoint: 'https://node.example.com/souk' })
    await there(30, { operator: STRANGER, endpoint: 'https://node.example.com.br' })
    await there(30, { operator: STRANGER, endpoint: 'https://node.example.co' })
    expect((await register()).status).toBe(201)
    node = await createFakeNode(app.now)
    expect((await register('https://node.example.com:9000')).body.error).toMatchObject({
      code: 'endpoint_refused',
      param: 'endpoint',
    })
    expect((await register('https://fresh.example.com')).status).toBe(201)
  })

  it('is not kept out by strangers who never proved that the host is theirs', async () => {
    await there(30, { operator: STRANGER, endpoint: 'https://node.example.com', state: 'pending', isProved: false })
    expect((await register()).status).toBe(201)
  })

  it('counts one that drains and never proved its endpoint among those that wait', async () => {
    await there(5, { state: 'draining', isProved: false })
    await there(9, { state: 'draining' })
    await there(4, { state: 'pending' })
    expect((await register()).status).toBe(201)
    node = await createFakeNode(app.now)
    expect((await register('https://second.example.com')).body.error?.code).toBe('conflict')
  })

  it('again and again of the same node waits two seconds each time, before anything is written or called', async () => {
    const ask = async (usd: string) => {
      const prices = { inputPerMillion: usd, outputPerMillion: usd, perCall: '0' }
      const body = await aRegistration(node, app.now(), { offers: [{ ...anOfferRequest(), prices }] })
      return app.send<Reply>('POST', '/api/nodes', { account: OPERATOR, body })
    }
    const versions = () => env.DB.prepare('SELECT count(*) AS n FROM price_versions').first<number>('n')
    expect((await ask('0.1')).status).toBe(201)
    expect((await ask('0.2')).status).toBe(201)
    const before = await versions()
    guardsLater(1_999)
    const early = await ask('0.3')
    expect([early.status, early.body.error?.code, early.headers.get('retry-after')]).toEqual([429, 'rate_limited', '1'])
    expect(await versions()).toBe(before)
    guardsLater(1)
    expect((await ask('0.3')).status).toBe(201)
  })

  it('counts links behind no host', async () => {
    await there(30, { operator: STRANGER, endpoint: 'link' })
    expect((await register('link')).status).toBe(201)
  })

  it('of a node that is there already counts nothing, unless it moves to a full host', async () => {
    const first = await register()
    await there(10, { agoMs: 0, state: 'pending' })
    expect((await register()).body.id).toBe(first.body.id)
    guardsLater(2_000)
    expect((await register('https://moved.example.com')).status).toBe(201)
    guardsLater(2_000)
    await there(20, { operator: STRANGER, endpoint: 'https://full.example.com' })
    expect((await register('https://full.example.com')).body.error?.code).toBe('endpoint_refused')
  })

  it('does not count revoked nodes', async () => {
    await there(50, { state: 'revoked' })
    expect((await register()).status).toBe(201)
  })

  it('is let through once of two at the same moment, at the last place', async () => {
    await there(9, { state: 'pending' })
    const others = await Promise.all([createFakeNode(app.now), createFakeNode(app.now), createFakeNode(app.now)])
    const replies = await Promise.all(others.map((by, at) => register(`https://host${at}.example.com`, by)))
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 409, 409])
    expect(await nodesThere()).toBe(10)
  })

  it('names the one spelling of a host', async () => {
    const refused = await register('https://NODE.example.com')
    expect(refused.body.error?.message).toContain('written node.example.com.')
  })

  it('has no quotas on a machine of one’s own', async () => {
    const own = await createMarketApp({ isLocal: true })
    await there(30, { agoMs: 0, state: 'pending', endpoint: 'http://127.0.0.1:9000' })
    const body = await aRegistration(node, own.now(), { endpoint: 'http://127.0.0.1:8790' })
    expect((await own.send('POST', '/api/nodes', { account: OPERATOR, body })).status).toBe(201)
  })
})

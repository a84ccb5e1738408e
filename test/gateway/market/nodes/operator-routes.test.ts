// What an operator, and a node by its own key, may do with a node that is registered: on the real routes, guards and registry.
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { SNAPSHOT } from '../../../../gateway/core/limits.ts'
import { NodeView } from '../../../../protocol/node.ts'
import { NodeStatusView, PriceRangeReply } from '../../../../protocol/operator.ts'
import { instant, type AccountId, type NodeId } from '../../../../protocol/units.ts'
import { aManifest, anOfferRequest, aVectorManifest, CHAT_MODEL, OPERATOR, STRANGER } from '../builders.ts'
import type { FakeNode } from '../fake-node.ts'
import { SILENCE } from '../market-app.ts'
import { createOperatorHouse, type OperatorHouse, type Refusal } from './operator-house.ts'

let house: OperatorHouse
let node: FakeNode & { id: NodeId }
beforeAll(async () => {
  house = await createOperatorHouse()
  await house.publish()
  await house.publish(aVectorManifest())
})
afterAll(() => void vi.useRealTimers())
beforeEach(async () => {
  await env.DB.prepare(`UPDATE offers SET state = 'paused'`).run()
  // The operator of a suspended node brings in no other one.
  await env.DB.prepare(`UPDATE nodes SET state = 'revoked' WHERE state = 'suspended'`).run()
  node = await house.aNode()
})

const at = (usd: string, manifest = aManifest()) => ({
  ...anOfferRequest(manifest),
  prices: { inputPerMillion: usd, outputPerMillion: usd, perCall: '0' },
})
const put = (offers: unknown, over: object = {}) => house.byNode<NodeView>(node, 'PUT', 'offers', { offers, ...over })
const look = async () => NodeStatusView.parse((await house.byNode(node, 'GET', 'status')).body)
const offersOf = async () => (await look()).node.offers.map(({ model, state }) => [model, state])
const set = (sql: string, ...values: unknown[]) =>
  env.DB.prepare(`UPDATE ${sql} WHERE ${sql.startsWith('nodes') ? 'id' : 'node_id'} = ?`)
    .bind(...values, node.id)
    .run()

describe('who may', () => {
  const ROUTES: readonly [string, string, unknown][] = [
    ['GET', 'status', undefined],
    ['PUT', 'offers', { offers: [anOfferRequest()] }],
    ['POST', 'selftest', {}],
    ['POST', 'drain', {}],
    ['POST', 'resume', {}],
  ]
  const ask = (method: string, what: string, as: Parameters<OperatorHouse['send']>[2], id: string = node.id) =>
    house.send<Refusal>(method, `/api/nodes/${id}/${what}`, as)

  it.each(ROUTES)('%s %s: the node by its key, its operator by session or managing key', async (method, what, body) => {
    if (what === 'resume') await set(`nodes SET state = 'draining'`)
    expect((await house.byNode(node, method, what, body)).status).toBe(200)
    house.later(60_000)
    if (what === 'resume') await set(`nodes SET state = 'draining'`)
    expect((await ask(method, what, { account: OPERATOR, body })).status).toBe(200)
    house.later(60_000)
    if (what === 'resume') await set(`nodes SET state = 'draining'`)
    const authorization = await house.aKey(OPERATOR, ['manage'])
    expect((await ask(method, what, { authorization, body })).status).toBe(200)
  })

  it.each(ROUTES)('%s %s: nobody else', async (method, what, body) => {
    const code = async (as: Parameters<OperatorHouse['send']>[2]) => (await ask(method, what, as)).body.error?.code
    expect(await code({ body })).toBe('not_signed_in')
    expect(await code({ account: STRANGER, body })).toBe('not_found')
    expect(await code({ authorization: await house.aKey(STRANGER, ['manage']), body })).toBe('not_found')
    expect(await code({ authorization: await house.aKey(OPERATOR, ['inference']), body })).toBe('scope_missing')
    const other = await house.aNode({}, STRANGER)
    const path = `/api/nodes/${node.id}/${what}`
    expect((await house.byNode({ ...other, id: node.id }, method, what, body)).body.error?.code).toBe(
      'authorization_refused',
    )
    expect(await ask(method, what, { account: OPERATOR, body }, 'node_0000000000000000')).toMatchObject({ status: 404 })
    expect(path).toContain(node.id)
  })

  it.each(ROUTES)('%s %s by an admin: prices are the operator’s own, anything else is', async (method, what, body) => {
    if (what === 'resume') await set(`nodes SET state = 'draining'`)
    const { status } = await ask(method, what, { account: STRANGER, admin: true, body })
    expect(status).toBe(what === 'offers' ? 404 : 200)
  })
})

describe('the status of a node', () => {
  it('is one look at everything', async () => {
    await set(`nodes SET state = 'active'`)
    house.hasTraffic({ hour: { ...SILENCE, calls: 7, earned: '0.000001000' }, lastCallAt: instant(house.now()) })
    const status = await look()
    house.hasTraffic({ hour: SILENCE, lastCallAt: null })
    expect(status).toMatchObject({
      node: { id: node.id, state: 'active', wireVersion: 1 },
      reasons: [],
      health: [{ model: CHAT_MODEL, breaker: 'closed', success: null, inFlight: 0 }],
      traffic: { hour: { calls: 7, earned: '0.000001000' }, day: { calls: 0 } },
      lastCallAt: new Date(house.now()).toISOString(),
      at: new Date(house.now()).toISOString(),
    })
  })

  it('tells of its trust how it stood when the day began, and of its share of the calls what follows from that', async () => {
    await set(`nodes SET state = 'active'`)
    const day = Math.floor(house.now() / 86_400_000)
    await set('offers SET trust_ppm = 300000, told_trust_ppm = 900000, told_day = ?', day)
    const { node: view, health, reasons } = await look()
    expect([view.offers[0]?.trust, health[0]?.trust]).toEqual([0.9, 0.9])
    expect(reasons.join()).toContain('to about 90 %')
    // Judged yesterday: that is told now.
    await set('offers SET told_day = ?', day - 1)
    expect((await look()).health[0]?.trust).toBe(0.3)
  })

  it('says what others ask, and not what its own operator’s nodes do', async () => {
    const mine = node
    await house.aNode({ offers: [at('0.03')] })
    await house.aNode({ offers: [at('0.04')] }, STRANGER)
    await house.aNode({ offers: [at('0.06')] }, STRANGER)
    house.later(SNAPSHOT.staleMs)
    node = mine
    const [range] = (await look()).prices
    expect(range).toMatchObject({ model: CHAT_MODEL, offers: 2 })
    expect([range?.low, range?.median, range?.high].map((price) => price?.inputPerMillion)).toEqual([
      '0.040000000',
      '0.050000000',
      '0.060000000',
    ])
  })

  it('says of a price that nobody is sent to', async () => {
    await set(`nodes SET state = 'active'`)
    const mine = node
    await house.aNode({ offers: [at('0.004')] }, STRANGER)
    house.later(SNAPSHOT.staleMs)
    node = mine
    const { reasons } = await look()
    expect(reasons).toHaveLength(1)
    expect(reasons[0]).toContain('costs $0.00002 here and $0.000006 at the cheapest')
  })

  it('says that the account of its operator is frozen, which stops no traffic', async () => {
    const account = house.needs.accounts(OPERATOR)
    await account.open(OPERATOR)
    await account.freeze({ cause: 'admin', reason: 'A chargeback.', by: STRANGER })
    const { notices, reasons } = await look()
    await account.unfreeze('over', STRANGER)
    expect(notices.join()).toContain('frozen (A chargeback)')
    expect(reasons.join()).not.toContain('frozen')
  })
})

describe('a change of offers', () => {
  it('keeps what is live live, without a probe, and writes each new price once', async () => {
    const changed = await put([{ ...at('0.5'), concurrencyMax: 9 }])
    expect(changed.status).toBe(200)
    expect(NodeView.parse(changed.body).offers).toMatchObject([{ state: 'live', reason: null, concurrencyMax: 9 }])
    house.later(2_000)
    await put([{ ...at('0.5'), concurrencyMax: 3 }])
    expect(node.calls).toHaveLength(0)
    const history = await house.send<{ data: { version: number }[] }>(
      'GET',
      `/api/nodes/${node.id}/offers/${CHAT_MODEL}/prices`,
    )
    expect(history.body.data.map(({ version }) => version)).toEqual([2, 1])
  })

  it('lets a new model wait for its probes, which follow at once, and pauses what is absent', async () => {
    const added = await put([anOfferRequest(), anOfferRequest(aVectorManifest())])
    expect(NodeView.parse(added.body).offers.map(({ state }) => state)).toEqual(['live', 'pending'])
    expect(node.calls.map(({ path }) => path)).toEqual(['/v1/embeddings'])
    expect(await offersOf()).toEqual([
      [CHAT_MODEL, 'live'],
      ['maker/embed', 'live'],
    ])
    house.later(2_000)
    await put([anOfferRequest(aVectorManifest())])
    expect(await offersOf()).toEqual([
      [CHAT_MODEL, 'paused'],
      ['maker/embed', 'live'],
    ])
    house.later(2_000)
    node.calls.length = 0
    await put([anOfferRequest(), anOfferRequest(aVectorManifest())])
    expect(node.calls.map(({ path }) => path)).toEqual(['/v1/chat/completions'])
  })

  it('brings nothing back that has lost its place: a pending offer is probed, whatever is sent', async () => {
    node.bad.text = 'London'
    await set(`offers SET state = 'pending'`)
    expect(NodeView.parse((await put([at('0.5')])).body).offers).toMatchObject([{ state: 'pending' }])
    expect((await look()).node.offers[0]?.reason).toContain('not the known one')
  })

  it.each<[string, unknown, string, string | null]>([
    ['a model that is not there', [{ ...anOfferRequest(), model: 'maker/none' }], 'model_not_found', 'offers.0.model'],
    ['another digest', [{ ...anOfferRequest(), digest: 'ee'.repeat(32) }], 'invalid_request', 'offers.0.digest'],
    ['an absurd price', [at('1000.000000001')], 'invalid_request', 'offers.0.prices.inputPerMillion'],
    [
      'an absurd price of a call',
      [{ ...anOfferRequest(), prices: { inputPerMillion: '1000', outputPerMillion: '1000', perCall: '10.000000001' } }],
      'invalid_request',
      'offers.0.prices.perCall',
    ],
    ['one model twice', [anOfferRequest(), anOfferRequest()], 'invalid_request', 'offers'],
    ['no offer at all', [], 'invalid_request', 'offers'],
    ['a hundred and one', Array.from({ length: 101 }, () => anOfferRequest()), 'invalid_request', 'offers'],
  ])('is refused with %s', async (_, offers, code, param) => {
    expect((await put(offers)).body.error).toMatchObject({ code, param })
    expect(await offersOf()).toEqual([[CHAT_MODEL, 'live']])
  })

  it.each(['endpoint', 'name', 'operator', 'nodeKey'])('moves no %s', async (field) => {
    const refused = await put([anOfferRequest()], { [field]: 'https://elsewhere.example.com' })
    expect(refused.body.error).toMatchObject({ code: 'invalid_request', param: field })
  })

  it('waits two seconds for the next, and says so', async () => {
    await put([at('0.5')])
    house.later(1_999)
    const early = await put([at('0.6')])
    expect([early.status, early.body.error?.code, early.headers.get('retry-after')]).toEqual([429, 'rate_limited', '1'])
    house.later(1)
    expect((await put([at('0.6')])).status).toBe(200)
  })

  it('of a revoked node is refused also to its operator', async () => {
    await set(`nodes SET state = 'revoked'`)
    const body = { offers: [anOfferRequest()] }
    const refused = await house.send<Refusal>('PUT', `/api/nodes/${node.id}/offers`, { account: OPERATOR, body })
    expect(refused.body.error?.code).toBe('conflict')
  })
})

describe('a drain by the node’s own key', () => {
  const state = async (what: string) => {
    const { status, body } = await house.byNode<NodeView>(node, 'POST', what, {})
    return status === 200 ? body.state : body.error?.code
  }

  it('takes it out of traffic, and back', async () => {
    expect(await state('drain')).toBe('draining')
    expect(await state('drain')).toBe('draining')
    expect(await state('resume')).toBe('probation')
    expect(await state('resume')).toBe('conflict')
    expect(node.calls).toHaveLength(0)
  })

  it('proves and probes again what was not ready when it resumes', async () => {
    await set(`offers SET state = 'pending'`)
    await state('drain')
    expect(await state('resume')).toBe('probation')
    expect(node.calls.map(({ path }) => path)).toEqual(['/souk/challenge', '/v1/chat/completions'])
  })

  it('makes nobody call an address over and over: what is to be proved again is proved every two seconds at most', async () => {
    await set(`nodes SET proved_at = NULL, state = 'pending'`)
    node.bad.challenge = () => new Response('', { status: 500 })
    for (const later of [0, 1_999]) {
      house.later(later)
      await state('drain')
      await state('resume')
    }
    expect([node.calls.length, await state('resume')]).toEqual([1, 'rate_limited'])
    house.later(1)
    expect(await state('resume')).toBe('pending')
    expect(node.calls).toHaveLength(2)
  })

  it('lifts no suspension', async () => {
    await set(`nodes SET state = 'suspended', reason = 'An audit failed.'`)
    expect([await state('drain'), await state('resume')]).toEqual(['conflict', 'conflict'])
    expect((await look()).reasons).toEqual([expect.stringContaining('An audit failed')])
  })
})

describe('what a model costs', () => {
  it('is told to everybody, under either spelling of its id, and may be kept for five seconds', async () => {
    await house.aNode({ offers: [at('0.05')] }, 'ccccccccccccccc3' as AccountId) // of an id's form
    house.later(SNAPSHOT.staleMs)
    for (const id of [CHAT_MODEL, CHAT_MODEL.replace('/', '%2F')]) {
      const { status, headers, body } = await house.send('GET', `/api/models/${id}/prices`)
      expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=5'])
      expect(PriceRangeReply.parse(body)).toMatchObject({
        offers: 2,
        low: { inputPerMillion: '0.010000000' },
        high: { inputPerMillion: '0.050000000' },
      })
    }
  })

  it('is nothing where nobody offers it, and refused where it is no model', async () => {
    house.later(SNAPSHOT.staleMs)
    const { body } = await house.send('GET', '/api/models/maker/embed/prices')
    expect(body).toEqual({ model: 'maker/embed', offers: 0, low: null, median: null, high: null })
    for (const id of ['maker/none', 'NO/MODEL'])
      expect((await house.send<Refusal>('GET', `/api/models/${id}/prices`)).body.error?.code).toBe('model_not_found')
  })
})

import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { prepared } from '../../../gateway/market/choose/prepared.ts'
import { createMarket } from '../../../gateway/market/market.ts'
import type { NodeGuardPort } from '../../../gateway/market/guard/node-guard.ts'
import type { AttemptReport, Market } from '../../../gateway/market/market-port.ts'
import { instant, type CallId, type ModelId, type NodeId } from '../../../protocol/units.ts'
import { anOfferRequest, aReport, aVectorManifest, CHAT_MODEL, OPERATOR } from './builders.ts'
import { createFakeNode } from './fake-node.ts'
import { addWallet, aRegistration, createMarketApp } from './market-app.ts'

let nodeId: NodeId
let time = 1_000_000
let queries = 0
let gate: Promise<void> = Promise.resolve()
let isBroken = false
let market: Market
let background: Promise<unknown>[] = []
const heard: (string | AttemptReport)[] = []

/** D1, counted; slow or broken when a test says so. */
const counted = new Proxy(env.DB, {
  get: (db, name) => {
    if (name !== 'prepare') return Reflect.get(db, name) as unknown
    return (query: string) => wrap(db.prepare(query))
  },
})
const wrap = (statement: D1PreparedStatement): D1PreparedStatement =>
  new Proxy(statement, {
    get: (target, name) => {
      if (name === 'bind') return (...values: unknown[]) => wrap(target.bind(...values))
      if (name !== 'raw' && name !== 'all') return Reflect.get(target, name) as unknown
      return async () => {
        queries += 1
        await gate
        if (isBroken) throw new Error('D1 is away')
        return name === 'raw' ? target.raw() : target.all()
      }
    },
  })
const guard: NodeGuardPort = {
  ticketsRefused: () => Promise.resolve({}),
  attemptStarted: (id) => Promise.resolve(void heard.push(id)),
  attemptEnded: (report) => Promise.resolve(void heard.push(report)),
  beginProbe: () => Promise.resolve(true),
  probed: () => Promise.resolve(),
  servedAttempts: () => Promise.resolve(0),
  admitted: () => Promise.resolve(),
  beginProbation: () => Promise.resolve(),
  pace: () => Promise.resolve(0),
  dropLink: () => Promise.resolve(),
  sendDrain: () => Promise.resolve(),
  fetch: () => Promise.reject(new Error('no call goes this way')),
  cancelStream: () => Promise.resolve(),
}
const see = (id: string = CHAT_MODEL) => market.snapshot(id as ModelId, (work) => void background.push(work))

beforeAll(async () => {
  const app = await createMarketApp()
  const node = await createFakeNode(app.now)
  app.connect(node)
  await addWallet()
  await app.publish()
  await app.publish(aVectorManifest())
  const body = await aRegistration(node, app.now(), { offers: [anOfferRequest()] })
  nodeId = (await app.send<{ id: NodeId }>('POST', '/api/nodes', { account: OPERATOR, body })).body.id
})
beforeEach(() => {
  time += 1_000_000
  queries = 0
  isBroken = false
  gate = Promise.resolve()
  background = []
  market = createMarket({ db: counted, nodeGuards: () => guard, clock: () => instant(time) })
})

describe('snapshot', () => {
  it('reads a model with its live offers in one query', async () => {
    const snapshot = await see()
    expect(snapshot?.model).toMatchObject({ id: CHAT_MODEL, royaltyBps: 100, authorAccountId: OPERATOR })
    expect(snapshot?.offers).toMatchObject([
      { nodeId, nodeState: 'probation', success: null, price: { outputPerMillion: 20_000_000n } },
    ])
    expect(queries).toBe(1)
  })

  it('gives a node on probation the share that the house has set, of what it would weigh without', async () => {
    const shareOf = async (share: number) => {
      const set = { probationShare: () => Promise.resolve(share) }
      const own = createMarket({ db: counted, nodeGuards: () => guard, clock: () => instant(time), ...set })
      const [offer] = (await own.snapshot(CHAT_MODEL, () => undefined))?.offers ?? [] // the builders' own
      return offer && prepared([offer]).standing[0]
    }
    const [whole, half] = [await shareOf(1), await shareOf(0.5)]
    expect(half).toBeCloseTo((whole ?? 0) / 2)
    expect(half).toBeGreaterThan(0)
  })

  it('asks nothing while it is fresh, refreshes behind the call until it is 30 s old, and waits after that', async () => {
    await see()
    time += 4_999
    await see()
    expect([queries, background.length]).toEqual([1, 0])
    time += 1
    const stale = await see()
    expect(stale?.takenAt).toBe(time - 5_000)
    await Promise.all(background)
    expect(queries).toBe(2)
    expect((await see())?.takenAt).toBe(time)
    time += 30_000
    expect((await see())?.takenAt).toBe(time)
    expect([queries, background.length]).toEqual([3, 1])
  })

  it('makes one query for a crowd, in front and behind', async () => {
    await Promise.all(Array.from({ length: 50 }, () => see()))
    expect(queries).toBe(1)
    time += 6_000
    await Promise.all(Array.from({ length: 50 }, () => see()))
    await Promise.all(background)
    expect([queries, background.length]).toEqual([2, 1])
  })

  it('does not wait for the refresh of a request that never comes back', async () => {
    gate = new Promise(() => undefined)
    void see()
    gate = Promise.resolve()
    time += 2_000
    expect((await see())?.model.id).toBe(CHAT_MODEL)
  })

  it('serves the old one while the database is away, and is unavailable when it has none', async () => {
    await see()
    isBroken = true
    time += 6_000
    expect((await see())?.model.id).toBe(CHAT_MODEL)
    await Promise.all(background)
    await expect(see('maker/embed')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('remembers for two seconds that there is no such model', async () => {
    expect(await see('maker/none')).toBeNull()
    time += 1_999
    expect(await see('maker/none')).toBeNull()
    expect(queries).toBe(1)
    time += 1
    await see('maker/none')
    expect(queries).toBe(2)
  })

  it('knows models without offers, and lists all of them', async () => {
    expect((await see('maker/embed'))?.offers).toEqual([])
    const models = await market.models()
    expect(models.map(({ model, offers }) => [model.id, offers.length])).toEqual([
      [CHAT_MODEL, 1],
      ['maker/embed', 0],
    ])
  })

  it('believes a count of attempts under way no longer than an attempt can last', async () => {
    const counts = 'UPDATE offers SET in_flight = 4, updated_at = ? WHERE node_id = ?'
    await env.DB.prepare(counts).bind(time, nodeId).run()
    time += 330_000
    expect((await see())?.offers[0]?.inFlight).toBe(4)
    time += 30_000
    expect((await see())?.offers[0]?.inFlight).toBe(0)
    await env.DB.prepare('UPDATE offers SET in_flight = 0 WHERE node_id = ?').bind(nodeId).run()
  })

  it('is not crowded out by offers of nodes that may not serve, nor by offers that are cheap in one price only', async () => {
    const crowd = (state: string, input: number) => `
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
      INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
      SELECT printf('node_${state.slice(0, 3)}%013d', i), 'x', '${OPERATOR}', '', '${state}' || i, '', 'https://x.example.com', '${state}', 0 FROM n;
      INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos,
        call_price_nanos, context_tokens, output_tokens_max, concurrency_max, updated_at)
      SELECT id, '${CHAT_MODEL}', 'live', ${input}, 0, 0, 0, 0, 1, 1, 4, 0 FROM nodes WHERE id LIKE 'node_${state.slice(0, 3)}%'`
    for (const sql of [crowd('draining', 0), crowd('active', 1_000_000_000_000)].flatMap((text) => text.split(';')))
      await env.DB.prepare(sql).run()
    const seen = (await see())?.offers ?? []
    await env.DB.exec("DELETE FROM offers WHERE node_id LIKE 'node_dra%' OR node_id LIKE 'node_act%'")
    await env.DB.exec("DELETE FROM nodes WHERE id LIKE 'node_dra%' OR id LIKE 'node_act%'")
    expect(seen[0]?.nodeId).toBe(nodeId)
    expect(seen).toHaveLength(500)
  })

  it('knows of each offer whether its model is pinned or declared', async () => {
    expect((await see())?.offers).toMatchObject([{ assurance: 'pinned' }])
    await env.DB.prepare("UPDATE offers SET assurance = 'declared' WHERE node_id = ?").bind(nodeId).run()
    time += 30_000
    expect((await see())?.offers).toMatchObject([{ assurance: 'declared' }])
    await env.DB.prepare("UPDATE offers SET assurance = 'pinned' WHERE node_id = ?").bind(nodeId).run()
  })

  it.each(['pending', 'draining', 'suspended'])('leaves out a node that is %s', async (state) => {
    await env.DB.prepare('UPDATE nodes SET state = ? WHERE id = ?').bind(state, nodeId).run()
    expect((await see())?.offers).toEqual([])
    await env.DB.prepare("UPDATE nodes SET state = 'probation' WHERE id = ?").bind(nodeId).run()
  })
})

describe('what this isolate has seen itself', () => {
  const call = 'call_00000000000000000000000001' as CallId
  const seen = async () => (await see())?.local.get(nodeId)

  it('treats a node that failed here as broken for five seconds, before the registry knows', async () => {
    await market.attemptEnded(aReport({ nodeId, outcome: 'provider_failed', fault: 'node' }))
    expect(await seen()).toMatchObject({ brokenUntil: time + 5_000 })
    time += 5_000
    expect((await seen())?.brokenUntil ?? null).toBeNull()
    expect(heard.at(-1)).toMatchObject({ nodeId, fault: 'node' })
  })

  it('does not hold against a node what its caller did', async () => {
    await market.attemptEnded(aReport({ nodeId, outcome: 'cancelled', fault: 'caller' }))
    expect((await seen())?.brokenUntil ?? null).toBeNull()
  })

  it('counts its own attempts under way, each once', async () => {
    await market.attemptStarted(nodeId, CHAT_MODEL, call, 0)
    await market.attemptStarted(nodeId, CHAT_MODEL, call, 0)
    await market.attemptStarted(nodeId, CHAT_MODEL, call, 1)
    expect(await seen()).toMatchObject({ inFlight: 2 })
    await market.attemptEnded(aReport({ nodeId, callId: call, attempt: 1 }))
    expect(await seen()).toMatchObject({ inFlight: 1 })
    time += 330_001
    expect((await seen())?.inFlight ?? 0).toBe(0)
  })
})

describe('a broken offer that this isolate reads of', () => {
  const probed: string[] = []
  const breakerIs = (state: string) =>
    env.DB.prepare('UPDATE offers SET breaker = ? WHERE node_id = ?').bind(state, nodeId).run()
  beforeEach(() => {
    probed.length = 0
    const probe = (id: NodeId, modelId: ModelId) => Promise.resolve(void probed.push(`${id} ${modelId}`))
    market = createMarket({ db: counted, nodeGuards: () => guard, clock: () => instant(time), probe })
  })

  it('is probed behind the call that read of it, once for each reading', async () => {
    await breakerIs('open')
    await see()
    await see()
    await Promise.all(background)
    expect(probed).toEqual([`${nodeId} ${CHAT_MODEL}`])
    time += 5_000
    await see()
    await Promise.all(background)
    expect(probed).toHaveLength(2)
    await see()
    await Promise.all(background)
    expect(probed).toHaveLength(2)
  })

  it('is left alone while its breaker is closed, and then a call leaves nothing behind', async () => {
    await breakerIs('closed')
    await see()
    await see()
    expect([probed, background]).toEqual([[], []])
  })
})

describe('a failure of many nodes at once', () => {
  const ids = ['1', '2', '3'].map((n) => `node_${n.repeat(16)}` as NodeId)
  const call = (n: number) => `call_${String(n).padStart(26, '0')}` as CallId
  beforeAll(async () => {
    const node = `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
      SELECT ?1, name, ?2, operator_address, ?1, settlement_key, ?3, 'active', 0 FROM nodes WHERE id = ?4`
    const offer = `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos,
      call_price_nanos, context_tokens, output_tokens_max, concurrency_max, updated_at) VALUES (?, ?, 'live', 1, 1, 1, 0, 0, 1, 1, 4, 0)`
    for (const [i, id] of ids.entries()) {
      await env.DB.prepare(node).bind(id, `aaaaaaaaaaaaaab${i}`, `https://rack-${i}.example`, nodeId).run()
      await env.DB.prepare(offer).bind(id, CHAT_MODEL).run()
    }
  })
  const fail = (id: NodeId, n: number) =>
    market.attemptEnded(aReport({ nodeId: id, callId: call(n), outcome: 'provider_timeout', fault: 'node' }))
  const faults = () => heard.flatMap((report) => (typeof report === 'string' ? [] : [report.fault]))

  it('is the fault of none of them, from the third on, and none is doubted for it', async () => {
    await see()
    heard.length = 0
    for (const [n, id] of ids.entries()) await fail(id, n)
    expect(faults()).toEqual(['node', 'node', 'none'])
    const { local } = (await see()) ?? {}
    expect(ids.map((id) => local?.get(id)?.brokenUntil ?? null)).toEqual([time + 5_000, time + 5_000, null])
  })

  it('is theirs when it comes apart, or when others answer', async () => {
    await see()
    heard.length = 0
    for (const [n, id] of ids.entries()) {
      await fail(id, 10 + n)
      time += 5_000
    }
    await market.attemptEnded(aReport({ nodeId, callId: call(20) }))
    for (const [n, id] of ids.entries()) await fail(id, 30 + n)
    expect(faults().filter((fault) => fault === 'node')).toHaveLength(6)
  })
})

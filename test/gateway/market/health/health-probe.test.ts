// Probes of offers that no caller tells of: which, how many, and what becomes of what they find. Real D1 and guards, a node behind a link of its own.
import { env, runDurableObjectAlarm } from 'cloudflare:test'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createHealthCron } from '../../../../gateway/market/health/health-cron.ts'
import { createHealthProbes } from '../../../../gateway/market/health/health-probe.ts'
import { LinkGone } from '../../../../gateway/link/node-link.ts'
import { NodeStatusView } from '../../../../protocol/operator.ts'
import type { NodeId } from '../../../../protocol/units.ts'
import { aManifest, anOfferRequest, aTensorManifest, aVectorManifest, CHAT_MODEL, OPERATOR } from '../builders.ts'
import type { FakeNode, Misbehaviour } from '../fake-node.ts'
import { createOperatorHouse, type OperatorHouse } from '../nodes/operator-house.ts'

let house: OperatorHouse
let node: FakeNode & { id: NodeId }
let serial = 0
beforeAll(async () => {
  house = await createOperatorHouse()
  for (const manifest of [aManifest(), aVectorManifest(), aTensorManifest()]) await house.publish(manifest)
})
afterAll(() => void vi.useRealTimers())
beforeEach(async () => {
  await env.DB.exec('DELETE FROM offers; DELETE FROM nodes')
  node = await house.aNode({ endpoint: `https://n${++serial}.example.com` })
  await flush(node.id)
})

const flush = (id: NodeId) => runDurableObjectAlarm(env.NODE.get(env.NODE.idFromName(id)))
const cron = () => createHealthCron(house.needs)()
const offer = async (modelId: string = CHAT_MODEL) => {
  await flush(node.id)
  const row = env.DB.prepare('SELECT * FROM offers WHERE node_id = ? AND model_id = ?').bind(node.id, modelId)
  return (await row.first()) ?? {}
}
const set = (what: string) => env.DB.prepare(`UPDATE ${what}`).run()
const IDLE = 900_000
/** Another node as this one. */
const copyOf = (id: string, operator: string = OPERATOR, endpoint = 'https://copy.example.com') =>
  env.DB.prepare(
    `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, wire_version, state, proved_at, created_at)
     SELECT ?1, name, ?3, operator_address, ?1, settlement_key, ?4, wire_version, state, proved_at, created_at FROM nodes WHERE id = ?2`,
  ).bind(id, node.id, operator, endpoint)

describe('an offer without traffic', () => {
  it('is probed when nobody asked it for a quarter of an hour, with a real ticket, and its health is known then', async () => {
    house.later(IDLE - 1)
    await cron()
    expect(node.calls).toHaveLength(0)
    house.later(1)
    await cron()
    expect(node.tickets.at(-1)).toMatchObject({ attempt: 0, model: CHAT_MODEL })
    expect(await offer()).toMatchObject({ success_ppm: 1_000_000, first_token_ms: 0, breaker: 'closed' })
    await cron()
    expect(node.calls).toHaveLength(1)
    expect(await env.DB.prepare('SELECT state FROM nodes').first('state')).toBe('probation')
  })

  it('is probed by whatever its task is', async () => {
    await env.DB.exec('DELETE FROM offers; DELETE FROM nodes')
    node = await house.aNode({ offers: [anOfferRequest(aVectorManifest()), anOfferRequest(aTensorManifest())] })
    await set('offers SET updated_at = 0')
    await cron()
    expect(node.calls.map(({ path }) => path).sort()).toEqual(['/v1/embeddings', '/v2/infer'])
    expect(await offer('maker/graph')).toMatchObject({ success_ppm: 1_000_000 })
  })

  it.each([
    "offers SET state = 'paused'",
    "offers SET state = 'pending'",
    "nodes SET state = 'draining'",
    "nodes SET state = 'suspended'",
    'nodes SET proved_at = NULL',
    "nodes SET endpoint = 'link', link_up_at = NULL",
  ])('is not probed where it may not serve: %s', async (what) => {
    await set('offers SET updated_at = 0')
    await set(what)
    await cron()
    expect(node.calls).toHaveLength(0)
  })

  it('is one of at most twenty in a minute, broken ones first', async () => {
    const copyOffer = `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos,
      call_price_nanos, context_tokens, output_tokens_max, concurrency_max, breaker, updated_at) VALUES (?, ?, 'live', 1, 1, 1, 0, 0, 1, 1, 4, ?, ?)`
    await set(`offers SET updated_at = ${Date.now()}`)
    for (let n = 0; n < 25; n++) {
      const id = `node_${String(n).padStart(16, 'c')}`
      const [breaker, at] = n < 5 ? ['open', Date.now()] : ['closed', 0]
      await env.DB.batch([copyOf(id), env.DB.prepare(copyOffer).bind(id, CHAT_MODEL, breaker, at)])
    }
    await cron()
    expect(node.calls).toHaveLength(20)
    const asked = new Set(node.calls.map(({ nodeId }) => nodeId))
    for (let n = 0; n < 5; n++) expect(asked).toContain(`node_${String(n).padStart(16, 'c')}`)
  })
})

describe('what a probe finds', () => {
  const probes = () => createHealthProbes({ ...house.needs, probeMs: 50 })
  const find = async (bad: Misbehaviour) => {
    node.bad = bad
    return (await probes().send(node.id, CHAT_MODEL))?.report.outcome
  }
  const refusal = (code: string, status: number) => () => Response.json({ error: { code } }, { status })

  it.each<[string, Misbehaviour, string]>([
    ['a right answer', {}, 'served'],
    ['a wrong one', { text: 'Berlin' }, 'failed'],
    ['an error', { answer: () => new Response('', { status: 500 }) }, 'failed'],
    ['a redirect', { answer: () => new Response('', { status: 302, headers: { location: '/' } }) }, 'failed'],
    ['nobody', { answer: () => Promise.reject(new TypeError('refused')) }, 'failed'],
    ['silence', { answer: () => new Promise<Response>(() => undefined) }, 'failed'],
    ['no receipt', { withoutReceipt: true }, 'failed'],
    ['a node that is full', { answer: refusal('busy', 503) }, 'busy'],
    ['a node that is full and does not say it in words', { answer: () => new Response('', { status: 429 }) }, 'busy'],
    ['a node that is going', { answer: refusal('draining', 503) }, 'away'],
    ['a link that is not there', { answer: () => Promise.reject(new LinkGone(false)) }, 'away'],
    ['a link that says nothing', { answer: () => Promise.reject(new LinkGone(true)) }, 'failed'],
  ])('%s: %#', async (_, bad, outcome) => expect(await find(bad)).toBe(outcome))

  it('says of a refused ticket that it was one, so that its operator reads it', async () => {
    const failing = { answer: refusal('bad_ticket', 401) }
    node.bad = failing
    for (let tries = 0; tries < 3; tries++) {
      house.later(5_000)
      await probes().run(node.id, CHAT_MODEL)
    }
    expect(await offer()).toMatchObject({ breaker: 'open' })
    const { reasons } = NodeStatusView.parse((await house.byNode(node, 'GET', 'status')).body)
    expect(reasons[0]).toContain('refused the gateway’s ticket 3 times since it last answered')
    node.bad = {}
    house.later(60_000)
    await probes().run(node.id, CHAT_MODEL)
    await flush(node.id)
    const after = NodeStatusView.parse((await house.byNode(node, 'GET', 'status')).body)
    expect(after.reasons.join()).not.toContain('ticket')
  })

  it('opens a breaker that fails three in a row, and closes it with the first right answer', async () => {
    const failing = { answer: () => new Response('', { status: 500 }) }
    const run = async (bad: Misbehaviour) => {
      node.bad = bad
      house.later(5_000)
      await probes().run(node.id, CHAT_MODEL)
    }
    for (let tries = 0; tries < 3; tries++) await run(failing)
    expect(await offer()).toMatchObject({ breaker: 'open' })
    await run(failing)
    expect(await offer()).toMatchObject({ breaker: 'open' })
    await run({})
    expect(await offer()).toMatchObject({ breaker: 'closed', breaker_until: null })
  })

  it('is not asked twice within five seconds', async () => {
    await probes().run(node.id, CHAT_MODEL)
    await probes().run(node.id, CHAT_MODEL)
    expect(node.calls).toHaveLength(1)
  })

  it('throws nothing when the registry is away', async () => {
    await env.DB.exec('ALTER TABLE offers RENAME TO offers_away')
    await probes().run(node.id, CHAT_MODEL)
    await env.DB.exec('ALTER TABLE offers_away RENAME TO offers')
    expect(node.calls).toHaveLength(0)
  })
})

describe('the cron', () => {
  it('blames nobody when hardly any node of many answers', async () => {
    const others = [1, 2, 3].map((n) => ({ n, id: `node_${String(n).repeat(16)}` as NodeId }))
    for (const { n, id } of others) {
      await copyOf(id, `aaaaaaaaaaaaaab${n}`, `https://host-${n}.example.com`).run()
      await env.DB.prepare(`UPDATE offers SET node_id = ?1 WHERE node_id = ?2`).bind(id, node.id).run()
      const back = `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos,
        call_price_nanos, context_tokens, output_tokens_max, concurrency_max, updated_at) VALUES (?, ?, 'live', 1, 1, 1, 0, 0, 2048, 512, 4, 0)`
      await env.DB.prepare(back).bind(node.id, CHAT_MODEL).run()
    }
    await set('offers SET updated_at = 0')
    node.bad = { answer: () => Promise.reject(new TypeError('refused')) }
    await cron()
    expect(node.calls).toHaveLength(4)
    expect(await offer()).toMatchObject({ success_ppm: null })
  })

  it('lets rows of five minutes go after eight days, not before', async () => {
    const row = `INSERT INTO offer_slots (model_id, node_id, at, attempts, served, busy) VALUES ('m/x', 'n', ?, 1, 1, 0)`
    const edge = Date.now() - 8 * 86_400_000
    for (const at of [edge, edge + 1]) await env.DB.prepare(row).bind(at).run()
    await cron()
    const left = await env.DB.prepare("SELECT at FROM offer_slots WHERE model_id = 'm/x'").all()
    expect(left.results).toEqual([{ at: edge + 1 }])
  })
})

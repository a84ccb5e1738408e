import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createNodeGuards, PROBATION_ATTEMPTS } from '../../../../gateway/market/guard/node-guard.ts'
import type { CallId, NodeId } from '../../../../protocol/units.ts'
import { aReport, CHAT_MODEL } from '../builders.ts'

const guards = createNodeGuards(env.NODE)
/** Far ahead, so that alarms run only when a test says so. */
const T0 = Date.UTC(2040, 0, 1)
let nodeId: NodeId
let serial = 0
let calls = 0

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: T0 })
  nodeId = `node_${String(++serial).padStart(16, '0')}` as NodeId
  const node = `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
    VALUES (?1, 'x', 'aaaaaaaaaaaaaaaa', '', ?1, '', 'https://x.example.com', 'probation', 0)`
  const offer = `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos,
    call_price_nanos, context_tokens, output_tokens_max, concurrency_max, updated_at) VALUES (?, ?, 'live', 1, 1, 1, 0, 0, 1, 1, 4, 0)`
  await env.DB.batch([env.DB.prepare(node).bind(nodeId), env.DB.prepare(offer).bind(nodeId, CHAT_MODEL)])
})
afterEach(() => void vi.useRealTimers())

const callId = () => `call_${String(++calls).padStart(26, '0')}` as CallId
const start = (call: CallId, attempt = 0) => guards(nodeId).attemptStarted(nodeId, CHAT_MODEL, call, attempt)
const end = (call: CallId, over: Parameters<typeof aReport>[0] = {}) =>
  guards(nodeId).attemptEnded(aReport({ nodeId, callId: call, ...over }))
const failure = { outcome: 'provider_failed', fault: 'node', firstTokenMs: null, outputTokens: 0 } as const
const flush = () => runDurableObjectAlarm(env.NODE.get(env.NODE.idFromName(nodeId)))
const row = async () => {
  const found = await env.DB.prepare('SELECT * FROM offers WHERE node_id = ?').bind(nodeId).first()
  return found ?? {}
}
const nodeState = () => env.DB.prepare('SELECT state FROM nodes WHERE id = ?').bind(nodeId).first('state')

describe('NodeGuard', () => {
  it('counts attempts under way, each once, and copies the count', async () => {
    const [first, second] = [callId(), callId()]
    await start(first)
    await start(first)
    await start(second)
    await start(second, 1)
    await flush()
    expect(await row()).toMatchObject({ in_flight: 3 })
    await end(first)
    await end(first)
    await flush()
    expect(await row()).toMatchObject({
      in_flight: 2,
      success_ppm: 1_000_000,
      first_token_ms: 100,
      units_per_ks: 50_000,
    })
  })

  it('copies drift, and learns it also where an older version kept health without it', async () => {
    await end(callId(), { driftPpm: 250_000 })
    await flush()
    expect(await row()).toMatchObject({ drift_ppm: 250_000 })
    await runInDurableObject(env.NODE.get(env.NODE.idFromName(nodeId)), (_, { storage }) => {
      storage.sql.exec(`UPDATE offers SET state = json_remove(state, '$.health.driftPpm')`)
    })
    await end(callId(), { driftPpm: 0 })
    await flush()
    expect(await row()).toMatchObject({ drift_ppm: 0, success_ppm: 1_000_000 })
  })

  it('ends an attempt once, also when its end overtakes its beginning', async () => {
    const call = callId()
    await end(call, failure)
    await start(call)
    await end(call, failure)
    await end(call, failure)
    await flush()
    expect(await row()).toMatchObject({ in_flight: 0, breaker: 'closed', success_ppm: 0 })
  })

  it('forgets an attempt that nobody ended', async () => {
    await start(callId())
    await flush()
    vi.setSystemTime(T0 + 330_000)
    await flush()
    expect(await row()).toMatchObject({ in_flight: 0 })
  })

  it('opens the breaker at the third failure in a row, half opens it in time, and closes it by a success', async () => {
    for (let i = 0; i < 2; i++) await end(callId(), failure)
    await flush()
    expect(await row()).toMatchObject({ breaker: 'closed', breaker_until: null })
    await end(callId(), failure)
    await flush()
    expect(await row()).toMatchObject({ breaker: 'open', breaker_until: T0 + 10_000 })
    vi.setSystemTime(T0 + 10_000)
    await end(callId(), failure)
    await flush()
    expect(await row()).toMatchObject({ breaker: 'open', breaker_until: T0 + 30_000 })
    vi.setSystemTime(T0 + 30_000)
    await end(callId())
    await flush()
    expect(await row()).toMatchObject({ breaker: 'closed', breaker_until: null })
  })

  it('holds nothing against a node that was not its fault', async () => {
    for (let i = 0; i < 5; i++) {
      await end(callId(), { outcome: 'cancelled', fault: 'caller', firstTokenMs: null })
      await end(callId(), { outcome: 'context_length_exceeded', fault: 'caller', firstTokenMs: null })
      await end(callId(), { outcome: 'internal_error', fault: 'gateway', firstTokenMs: null })
    }
    await flush()
    expect(await row()).toMatchObject({ breaker: 'closed', success_ppm: null, in_flight: 0 })
  })

  it('makes a node active after twenty served attempts, not after nineteen', async () => {
    for (let i = 1; i < PROBATION_ATTEMPTS; i++) await end(callId())
    await end(callId(), failure)
    await flush()
    expect(await nodeState()).toBe('probation')
    await end(callId())
    await flush()
    expect(await nodeState()).toBe('active')
  })

  it('keeps what a node has served, and how well, when it is admitted again: only its breakers are closed', async () => {
    for (let i = 0; i < PROBATION_ATTEMPTS; i++) await end(callId())
    for (let i = 0; i < 3; i++) await end(callId(), failure)
    await flush()
    const before = await row()
    expect(before).toMatchObject({ breaker: 'open' })
    await guards(nodeId).admitted(nodeId)
    await env.DB.prepare("UPDATE nodes SET state = 'probation' WHERE id = ?").bind(nodeId).run()
    await flush()
    expect(await guards(nodeId).servedAttempts()).toBe(PROBATION_ATTEMPTS)
    expect(await nodeState()).toBe('active')
    const { success_ppm, first_token_ms } = before
    expect(await row()).toMatchObject({ breaker: 'closed', breaker_until: null, success_ppm, first_token_ms })
  })

  it('counts from none in the probation after a suspension, and forgets no health', async () => {
    for (let i = 0; i < PROBATION_ATTEMPTS; i++) await end(callId())
    for (let i = 0; i < 3; i++) await end(callId(), failure)
    await flush()
    expect(await nodeState()).toBe('active')
    const { success_ppm } = await row()
    await env.DB.prepare("UPDATE nodes SET state = 'probation' WHERE id = ?").bind(nodeId).run()
    await guards(nodeId).beginProbation(nodeId)
    await flush()
    expect(await guards(nodeId).servedAttempts()).toBe(0)
    expect(await nodeState()).toBe('probation')
    expect(await row()).toMatchObject({ breaker: 'closed', breaker_until: null, success_ppm })
  })

  it('goes on trying while the registry is away, however often that fails', async () => {
    await start(callId())
    await env.DB.exec('ALTER TABLE offers RENAME TO offers_away')
    try {
      for (let tries = 0; tries < 8; tries++) expect(await flush()).toBe(true)
    } finally {
      await env.DB.exec('ALTER TABLE offers_away RENAME TO offers')
    }
    await flush()
    expect(await row()).toMatchObject({ in_flight: 1 })
  })

  it('sleeps when there is nothing to copy and nothing under way', async () => {
    await end(callId())
    await flush()
    vi.setSystemTime(T0 + 60_000)
    await flush()
    expect(await flush()).toBe(false)
  })
})

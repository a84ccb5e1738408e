import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PROBATION_ATTEMPTS } from '../../../../gateway/market/guard/guard-health.ts'
import { createNodeGuards } from '../../../../gateway/market/guard/node-guard.ts'
import { readWindows } from '../../../../gateway/market/health/windows.ts'
import { instant, type CallId, type ModelId, type NodeId } from '../../../../protocol/units.ts'
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

  it('ends a probation after as many as the house has set', async () => {
    const set = `INSERT INTO parameter_entries (id, name, n, value, before, reason, by, at, effective_at) VALUES ('p', 'probationCalls', 1, 3, 20, 'x', 'y', 0, ?)`
    await env.DB.prepare(set).bind(T0).run()
    for (let i = 0; i < 2; i++) await end(callId())
    await flush()
    expect(await nodeState()).toBe('probation')
    await end(callId())
    await flush()
    await env.DB.exec('DELETE FROM parameter_entries')
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

  it('sleeps when there is nothing to copy, nothing under way and the last five minutes are written', async () => {
    await end(callId())
    await flush()
    vi.setSystemTime(T0 + 300_000)
    await flush()
    expect(await flush()).toBe(false)
  })
})

describe('how an offer did over time', () => {
  const slots = async () =>
    (await env.DB.prepare('SELECT * FROM offer_slots WHERE node_id = ? ORDER BY at').bind(nodeId).all()).results
  const windows = async () => readWindows(String((await row()).windows), instant(Date.now()))

  const attempts = async () => {
    const { m5, m30, d1 } = (await windows()) ?? {}
    return [m5?.attempts, m30?.attempts, d1?.attempts]
  }

  it('is copied as windows, and busy answers as a share that is no failure', async () => {
    await end(callId())
    await end(callId(), { ...failure, firstTokenMs: 300 })
    for (let i = 0; i < 2; i++) await end(callId(), { outcome: 'provider_busy', fault: 'none', firstTokenMs: null })
    await flush()
    expect(await row()).toMatchObject({ breaker: 'closed', success_ppm: 500_000, busy_ppm: 500_000 })
    const { m5, d1 } = (await windows()) ?? {}
    expect(m5).toMatchObject({
      attempts: 4,
      served: 1,
      busy: 2,
      unitsPerSecond: { p50: expect.closeTo(50, -1) as number },
    })
    expect(m5?.firstTokenMs?.p50).toBeGreaterThan(90)
    expect(m5?.firstTokenMs?.p99).toBeGreaterThan(270)
    expect(d1).toEqual(m5)
  })

  it('forgets the five minutes before the half hour, and that before the day', async () => {
    await end(callId())
    vi.setSystemTime(T0 + 1_500_000)
    await end(callId())
    await flush()
    expect(await attempts()).toEqual([1, 2, 2])
    vi.setSystemTime(T0 + 86_400_000)
    await end(callId())
    await flush()
    // The half hour in which the first one was is over since a day; that of the second is not.
    expect(await attempts()).toEqual([1, 1, 1])
  })

  it('becomes a row when five minutes are over, once, by the alarm alone', async () => {
    await end(callId())
    vi.setSystemTime(T0 + 299_999)
    await end(callId(), failure)
    await flush()
    expect(await slots()).toEqual([])
    vi.setSystemTime(T0 + 300_000)
    await flush()
    const first = {
      model_id: CHAT_MODEL,
      at: T0,
      attempts: 2,
      served: 1,
      busy: 0,
      units_per_ks: expect.closeTo(50_000, -4) as number,
    }
    expect(await slots()).toMatchObject([first])
    await env.DB.exec('DELETE FROM offer_slots')
    await end(callId())
    await flush()
    expect(await slots()).toEqual([])
  })

  it('is written later when the registry was away', async () => {
    await end(callId())
    vi.setSystemTime(T0 + 900_000)
    await env.DB.exec('ALTER TABLE offer_slots RENAME TO slots_away')
    await flush()
    await env.DB.exec('ALTER TABLE slots_away RENAME TO offer_slots')
    await flush()
    expect(await slots()).toMatchObject([{ at: T0, attempts: 1 }])
  })

  it('takes fewer attempts at the same time once it said that it was full', async () => {
    const calls = Array.from({ length: 10 }, callId)
    for (const call of calls) await start(call)
    await end(calls[0] ?? callId(), { outcome: 'provider_busy', fault: 'none', firstTokenMs: null })
    await flush()
    expect(await row()).toMatchObject({ in_flight_cap: 7, in_flight: 9 })
  })

  it.each([
    ['just below the length', 2_047, 6],
    ['of the length', 2_048, 6],
    ['of no known length', null, 6],
    ['longer than that', 2_049, null],
  ])('takes fewer of them when inputs %s have queued: %s bytes', async (_, bodyBytes, cap) => {
    const shape = bodyBytes === null ? null : { path: '/v1/chat/completions', bodyBytes, parts: 1, sampling: {} }
    const calls = Array.from({ length: 10 }, callId)
    for (const call of calls) await start(call)
    const [quick = callId(), ...slow] = calls
    await end(quick, { firstTokenMs: 100 })
    for (const call of slow.slice(0, 3)) await end(call, { firstTokenMs: 1_600, shape })
    await flush()
    expect(await row()).toMatchObject({ in_flight: 6, in_flight_cap: cap })
    // How long it took is known of it all the same.
    expect(Number((await row())['first_token_ms'])).toBeGreaterThan(1_000)
  })

  it('learns no usual time from long inputs', async () => {
    const shape = { path: '/v1/chat/completions', bodyBytes: 2_049, parts: 1, sampling: {} }
    const calls = Array.from({ length: 10 }, callId)
    for (const call of calls) await start(call)
    const [long = callId(), ...slow] = calls
    await end(long, { firstTokenMs: 1, shape })
    for (const call of slow.slice(0, 3)) await end(call, { firstTokenMs: 1_600 })
    await flush()
    expect(await row()).toMatchObject({ in_flight_cap: null })
  })
})

describe('a probe of the gateway', () => {
  const begin = () => guards(nodeId).beginProbe(nodeId, CHAT_MODEL)
  const probed = async (outcome: 'served' | 'failed' | 'busy' | 'away') => {
    await begin()
    await guards(nodeId).probed({ modelId: CHAT_MODEL, outcome, firstTokenMs: outcome === 'served' ? 80 : null })
  }

  it('is sent once at a time, five seconds after the one before, and again when its isolate is gone', async () => {
    expect([await begin(), await begin()]).toEqual([true, false])
    await guards(nodeId).probed({ modelId: CHAT_MODEL, outcome: 'served', firstTokenMs: 80 })
    vi.setSystemTime(T0 + 4_999)
    expect(await begin()).toBe(false)
    vi.setSystemTime(T0 + 5_000)
    expect(await begin()).toBe(true)
    vi.setSystemTime(T0 + 24_999)
    expect(await begin()).toBe(false)
    vi.setSystemTime(T0 + 25_000)
    expect(await begin()).toBe(true)
  })

  it('tells how an offer is that nobody asked, and ends no probation', async () => {
    for (let i = 0; i < PROBATION_ATTEMPTS; i++) await probed('served')
    await flush()
    expect(await row()).toMatchObject({ success_ppm: 1_000_000, first_token_ms: 80, breaker: 'closed' })
    expect(await nodeState()).toBe('probation')
    for (let i = 0; i < 3; i++) await probed('failed')
    await flush()
    expect(await row()).toMatchObject({ breaker: 'open' })
  })

  it('closes an open breaker when it is served, at once, and the failures of the outage count once', async () => {
    for (let i = 0; i < 20; i++) await end(callId())
    for (let i = 0; i < 30; i++) await end(callId(), failure)
    for (let i = 0; i < 5; i++) await probed('failed')
    await flush()
    // 20 of 23: what failed once it was open says nothing new.
    expect(await row()).toMatchObject({ breaker: 'open', success_ppm: 869_565 })
    await probed('served')
    await flush()
    expect(await row()).toMatchObject({ breaker: 'closed', breaker_until: null })
  })

  it.each(['busy', 'away'] as const)('that found it %s is no failure', async (outcome) => {
    for (let i = 0; i < 5; i++) await probed(outcome)
    await end(callId(), failure)
    await flush()
    expect(await row()).toMatchObject({ breaker: 'closed', success_ppm: 0 })
  })
})

describe('tickets that a node refused', () => {
  const refusing = { ...failure, hasRefusedTicket: true } as const
  const refused = () => guards(nodeId).ticketsRefused()
  const probed = (outcome: 'served' | 'failed' | 'busy' | 'away', hasRefusedTicket = false) =>
    guards(nodeId).probed({ modelId: CHAT_MODEL, outcome, firstTokenMs: null, hasRefusedTicket })

  it('are counted since its last answer, of calls and of probes, each once', async () => {
    expect(await refused()).toEqual({})
    const call = callId()
    await end(call, refusing)
    await end(call, refusing)
    expect(await refused()).toEqual({ [CHAT_MODEL]: 1 })
    await probed('failed', true)
    // What failed in another way is no answer either.
    await end(callId(), failure)
    await probed('failed')
    await probed('away', true)
    await end(callId(), { ...refusing, modelId: 'maker/other' as ModelId })
    expect(await refused()).toEqual({ [CHAT_MODEL]: 2, 'maker/other': 1 })
    await end(callId())
    expect(await refused()).toEqual({ 'maker/other': 1 })
  })

  it.each([
    ['a probe that is served', () => probed('served')],
    ['its admission', () => guards(nodeId).admitted(nodeId)],
  ])('are forgotten by %s', async (_, then) => {
    await end(callId(), refusing)
    await then()
    expect(await refused()).toEqual({})
  })

  it('are not counted where nobody is blamed for them: were the gateway’s own key wrong, all would refuse', async () => {
    await end(callId(), { ...refusing, fault: 'none' })
    expect(await refused()).toEqual({})
  })

  it('are none where an older version kept health without them', async () => {
    await end(callId(), refusing)
    await runInDurableObject(env.NODE.get(env.NODE.idFromName(nodeId)), (_, { storage }) => {
      storage.sql.exec(`UPDATE offers SET state = json_remove(state, '$.ticketsRefused')`)
    })
    expect(await refused()).toEqual({})
    await end(callId(), refusing)
    expect(await refused()).toEqual({ [CHAT_MODEL]: 1 })
  })
})

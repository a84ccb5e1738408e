// What an honest node may go through without losing its success, and what a dishonest one does not get away with: reports as calls make them, through the
// isolate that judges their fault and a node's own tables.
import { env, runInDurableObject } from 'cloudflare:test'
import { beforeAll, describe, expect, it } from 'vitest'
import { GuardHealth } from '../../../../gateway/market/guard/guard-health.ts'
import { GuardStore } from '../../../../gateway/market/guard/guard-store.ts'
import type { NodeGuards } from '../../../../gateway/market/guard/node-guard.ts'
import { SlotStore } from '../../../../gateway/market/guard/slot-store.ts'
import { createMarket } from '../../../../gateway/market/market.ts'
import type { AttemptReport } from '../../../../gateway/market/market-port.ts'
import { instant, type CallId, type NodeId } from '../../../../protocol/units.ts'
import { aManifest, aReport, CHAT_MODEL, OPERATOR } from '../builders.ts'
import { createMarketApp } from '../market-app.ts'

const NODES = [1, 2, 3, 4, 5].map((n) => `node_${String(n).padStart(16, '0')}` as NodeId)
const [NODE = '' as NodeId] = NODES
const SECOND = 1_000

beforeAll(async () => {
  const app = await createMarketApp()
  await app.publish(aManifest())
  const node = `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at)
    VALUES (?1, 'x', ?2, '', ?1, '', ?3, 'active', 0)`
  const offer = `INSERT INTO offers (node_id, model_id, state, input_price_nanos, output_price_nanos, cached_input_price_nanos, bytes_price_nanos,
    call_price_nanos, context_tokens, output_tokens_max, concurrency_max, updated_at) VALUES (?, ?, 'live', 1, 1, 1, 0, 0, 1, 1, 4, 0)`
  for (const [index, id] of NODES.entries()) {
    const operator = `${OPERATOR.slice(0, -1)}${index}`
    await env.DB.prepare(node).bind(id, operator, `https://host-${index}.example`).run()
    await env.DB.prepare(offer).bind(id, CHAT_MODEL).run()
  }
})

type Told = Partial<AttemptReport> & { readonly at: number }
let serial = 0

/** Ten minutes of a call a second, all served, but for what happens. @returns what its guard thinks of the first node in the end */
async function after(happens: (at: number) => readonly Told[]) {
  let time = 0
  const heard: { at: number; report: AttemptReport }[] = []
  const guards = (() => ({
    attemptEnded: (report: AttemptReport) => Promise.resolve(void heard.push({ at: time, report })),
  })) as unknown as NodeGuards // nothing else of a guard is asked here
  const market = createMarket({ db: env.DB, nodeGuards: guards, clock: () => instant(time) })
  await market.snapshot(CHAT_MODEL, () => undefined)
  for (let second = 0; second < 600; second++) {
    const told = happens(second)
    for (const { at, ...over } of told.length > 0 ? told : [{ at: 0 }]) {
      time = second * SECOND + at
      const callId = `call_${String(++serial).padStart(26, '0')}` as CallId
      await market.attemptEnded(aReport({ nodeId: NODE, callId, durationMs: 100, firstTokenMs: 50, ...over }))
    }
  }
  const guard = env.NODE.get(env.NODE.idFromName(`honest ${++serial}`))
  return runInDurableObject(guard, (_, { storage }) => {
    const health = new GuardHealth(new GuardStore(storage.sql), new SlotStore(storage.sql))
    for (const { at, report } of heard) if (report.nodeId === NODE) health.ended(report, instant(at))
    const [offer] = health.copy(instant(600 * SECOND)).offers
    return { success: offer?.success ?? NaN, breaker: offer?.breaker, busyShare: offer?.busyShare ?? NaN }
  })
}

const failure = { outcome: 'provider_failed', fault: 'node', firstTokenMs: null, outputTokens: 0 } as const
const hungUp = { outcome: 'cancelled', fault: 'caller', firstTokenMs: null, outputTokens: 0 } as const
const busy = { outcome: 'provider_busy', fault: 'none', firstTokenMs: null, outputTokens: 0 } as const
const between = (second: number, from: number, before: number) => second >= from && second < before

describe('an honest node keeps its success', () => {
  it.each<[string, (second: number) => readonly Told[], number]>([
    ['when nothing happens', () => [], 1],
    ['under load: half of its calls find it full', (second) => (second % 2 ? [{ at: 0, ...busy }] : []), 1],
    ['when callers hang up, three of four', (second) => (second % 4 ? [{ at: 0, ...hungUp }] : []), 1],
    [
      'when callers ask for what no node can do',
      (second) => (second % 2 ? [{ at: 0, outcome: 'context_length_exceeded', fault: 'caller' }] : []),
      1,
    ],
    [
      'when the gateway fails',
      (second) => (second % 2 ? [{ at: 0, outcome: 'internal_error', fault: 'gateway' }] : []),
      1,
    ],
    [
      // Every node fails at the same time. The first two are blamed before it can be known; it is the last one of each second here.
      'when the gateway cannot reach any node for two minutes',
      (second) =>
        between(second, 300, 420) ? [...NODES.slice(1), NODE].map((nodeId, at) => ({ at, nodeId, ...failure })) : [],
      1,
    ],
    [
      'when it is restarted five times, for four seconds each',
      (second) => (second % 120 < 4 ? [{ at: 0, ...failure }] : []),
      0.95,
    ],
    ['when one call in fifty fails', (second) => (second % 50 === 7 ? [{ at: 0, ...failure }] : []), 0.97],
  ])('%s', async (_, happens, least) => {
    const { success, breaker } = await after(happens)
    expect(success).toBeGreaterThanOrEqual(least)
    expect(breaker).toBe('closed')
  })

  it('and is known to be full', async () => {
    expect((await after((second) => (second % 2 ? [{ at: 0, ...busy }] : []))).busyShare).toBeCloseTo(0.5, 1)
  })
})

describe('a failing node loses it', () => {
  it.each<[string, (second: number) => readonly Told[], number]>([
    ['that fails half of its calls', (second) => (second % 2 ? [{ at: 0, ...failure }] : []), 0.6],
    ['that fails one call in five', (second) => (second % 5 === 0 ? [{ at: 0, ...failure }] : []), 0.85],
    [
      'that began to fail half of them two minutes ago',
      (second) => (second > 480 && second % 2 ? [{ at: 0, ...failure }] : []),
      0.93,
    ],
    [
      'that fails while all others answer',
      (second) => (second % 2 ? [...NODES.slice(1).map((nodeId) => ({ at: 0, nodeId })), { at: 1, ...failure }] : []),
      0.6,
    ],
  ])('%s', async (_, happens, most) => expect((await after(happens)).success).toBeLessThan(most))

  it('and its breaker opens when it fails them all', async () => {
    expect((await after((second) => (second >= 590 ? [{ at: 0, ...failure }] : []))).breaker).not.toBe('closed')
  })
})

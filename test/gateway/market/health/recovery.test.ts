// An outage of one of two nodes under traffic, on a moved clock: every call is answered by the other one, few calls are spent on trials, and the first node gets
// traffic again within half a minute of its recovery, however long it was away. Real D1, real guards with their alarms, the choice that calls make.
import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createHealthProbes } from '../../../../gateway/market/health/health-probe.ts'
import { createMarket } from '../../../../gateway/market/market.ts'
import type { AttemptReport, Market } from '../../../../gateway/market/market-port.ts'
import { rank } from '../../../../gateway/market/choose/choose.ts'
import { tokens, type CallId, type NodeId } from '../../../../protocol/units.ts'
import { aManifest, anOfferRequest, aReport, CHAT_MODEL } from '../builders.ts'
import type { FakeNode } from '../fake-node.ts'
import { createOperatorHouse, type OperatorHouse } from '../nodes/operator-house.ts'

type Node = FakeNode & { id: NodeId }
let house: OperatorHouse
let first: Node
let second: Node
let market: Market
let serial = 0
let background: Promise<unknown>[] = []

beforeAll(async () => {
  house = await createOperatorHouse()
  await house.publish(aManifest())
  const cheap = { ...anOfferRequest(), prices: { inputPerMillion: '0.01', outputPerMillion: '0.01', perCall: '0' } }
  const dear = { ...anOfferRequest(), prices: { inputPerMillion: '0.018', outputPerMillion: '0.018', perCall: '0' } }
  first = await house.aNode({ endpoint: 'https://first.example.com', offers: [cheap] })
  second = await house.aNode({ endpoint: 'https://second.example.com', offers: [dear] })
  house.connect({ link: { send: (request) => (request.nodeId === first.id ? first : second).link.send(request) } })
  const { needs } = house
  const { run: probe } = createHealthProbes(needs)
  market = createMarket({ db: env.DB, nodeGuards: needs.nodeGuards, clock: needs.clock, probe })
})
afterAll(() => void vi.useRealTimers())

/** Alarms that are due by the moved clock. */
async function alarms(): Promise<void> {
  for (const { id } of [first, second]) {
    const guard = env.NODE.get(env.NODE.idFromName(id))
    const at = await runInDurableObject(guard, (_, { storage }) => storage.getAlarm())
    if (at !== null && at <= house.now()) await runDurableObjectAlarm(guard)
  }
}

const isDown = (id: NodeId) => id === first.id && first.bad.answer !== undefined
const FAILED = { outcome: 'provider_failed', fault: 'node', firstTokenMs: null, outputTokens: 0 } as const

/** One call, as the flow of calls makes it. @returns who was asked, the last one served */
async function call(): Promise<NodeId[]> {
  const snapshot = await market.snapshot(CHAT_MODEL, (work) => void background.push(work))
  const estimate = { inputTokens: tokens(10n), outputTokens: tokens(10n) }
  const { offers, local } = snapshot ?? { offers: [], local: new Map() }
  const { order } = rank(offers, { seed: `seed ${++serial}`, now: house.needs.clock(), estimate, local })
  const asked: NodeId[] = []
  for (const nodeId of order) {
    const callId = `call_${String(serial).padStart(26, '0')}` as CallId
    const attempt = asked.push(nodeId) - 1
    await market.attemptStarted(nodeId, CHAT_MODEL, callId, attempt)
    const report: AttemptReport = aReport({ nodeId, callId, attempt, ...(isDown(nodeId) ? FAILED : {}) })
    await market.attemptEnded(report)
    if (!isDown(nodeId)) break
  }
  await Promise.all(background.splice(0))
  await alarms()
  return asked
}

/** A call every so often. */
async function traffic(totalMs: number, apartMs: number): Promise<NodeId[][]> {
  const asked: NodeId[][] = []
  for (let passedMs = 0; passedMs < totalMs; passedMs += apartMs) {
    asked.push(await call())
    house.later(apartMs)
    await alarms()
  }
  return asked
}

it.each([
  ['a minute', 60_000, 3_000, 6],
  // three to open it, six trials by the doubling time-out, and each once more by a snapshot of before
  ['ten minutes', 600_000, 10_000, 18],
])(
  'a node that was away for %s is asked again within thirty seconds',
  async (_, awayMs, apartMs, mostTrials) => {
    const before = await traffic(60_000, 3_000)
    expect(before.filter(([nodeId]) => nodeId === first.id).length).toBeGreaterThan(10)
    first.bad = { answer: () => Promise.reject(new TypeError('refused')) }
    const during = await traffic(awayMs, apartMs)
    expect(during.filter((asked) => asked.at(-1) !== second.id)).toEqual([])
    // Three open its breaker; callers' own trials come ever more rarely, and probes are nobody's call.
    expect(during.flat().filter((nodeId) => nodeId === first.id).length).toBeLessThanOrEqual(mostTrials)
    first.bad = {}
    const after = await traffic(30_000, 3_000)
    expect(after.flat()).toContain(first.id)
    expect(after.filter((asked) => asked.length > 1)).toEqual([])
  },
  60_000,
)

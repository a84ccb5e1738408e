// The market as the inference room sees it: snapshots, worsened by what this isolate has just seen itself, and reports to the nodes' guards.
// An isolate may only judge worse: a node that failed here is treated as broken for a few seconds, before any guard or database knows.
import { instant, isNodeId, type CallId, type Instant, type ModelId, type NodeId } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { ATTEMPT_MS } from './health/health.ts'
import type { AttemptReport, LocalJudgement, Market } from './market-port.ts'
import type { NodeGuards } from './guard/node-guard.ts'
import { createSnapshots } from './snapshot.ts'

/** ms a node fault keeps this isolate from asking again, unless nobody else is left */
const DOUBT_MS = 5_000
const DOUBTS_MAX = 10_000

export interface MarketNeeds {
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
  readonly clock: Clock
}

/** One per isolate: it holds the isolate's caches. */
export function createMarket({ db, nodeGuards, clock }: MarketNeeds): Market {
  const snapshots = createSnapshots({ db, clock })
  const seen = createLocalView(clock)
  return {
    async snapshot(modelId, background) {
      const snapshot = await snapshots.get(modelId, background)
      return snapshot && { ...snapshot, local: seen.of(modelId) }
    },
    async attemptStarted(nodeId, modelId, callId, attempt) {
      seen.started(nodeId, modelId, callId, attempt)
      await nodeGuards(nodeId).attemptStarted(nodeId, modelId, callId, attempt)
    },
    async attemptEnded(report) {
      seen.ended(report)
      await nodeGuards(report.nodeId).attemptEnded(report)
    },
    models: () => snapshots.all(),
  }
}

function createLocalView(clock: Clock) {
  const doubts = new Map<string, Instant>()
  const pauses = new Map<string, Instant>()
  const attempts = new Map<string, Map<string, Instant>>()
  const keyOf = (nodeId: NodeId, modelId: ModelId) => `${nodeId} ${modelId}`
  const inFlight = (key: string): number => {
    const open = attempts.get(key)
    if (!open) return 0
    for (const [attempt, since] of open) if (clock() - since > ATTEMPT_MS) open.delete(attempt)
    return open.size
  }
  const until = (times: Map<string, Instant>, key: string): Instant | null => {
    const at = times.get(key)
    return at === undefined || at <= clock() ? null : at
  }
  const judge = (key: string): LocalJudgement => ({
    inFlight: inFlight(key),
    brokenUntil: until(doubts, key),
    busyUntil: until(pauses, key),
  })
  const note = (times: Map<string, Instant>, key: string, ms: number) => {
    if (times.size >= DOUBTS_MAX) times.clear()
    times.set(key, instant(clock() + ms))
  }
  return {
    /** Only nodes of which something is known: a model may have thousands of offers, and a call looks at all of them. */
    of(modelId: ModelId): ReadonlyMap<NodeId, LocalJudgement> {
      const known = new Map<NodeId, LocalJudgement>()
      for (const key of new Set([...doubts.keys(), ...pauses.keys(), ...attempts.keys()])) {
        const [nodeId = '', ofModel] = key.split(' ')
        if (ofModel === modelId && isNodeId(nodeId)) known.set(nodeId, judge(key))
      }
      return known
    },
    started(nodeId: NodeId, modelId: ModelId, callId: CallId, attempt: number): void {
      const key = keyOf(nodeId, modelId)
      const open = attempts.get(key) ?? new Map<string, Instant>()
      attempts.set(key, open.set(`${callId} ${attempt}`, clock()))
    },
    ended(report: AttemptReport): void {
      const key = keyOf(report.nodeId, report.modelId)
      const open = attempts.get(key)
      open?.delete(`${report.callId} ${report.attempt}`)
      if (open?.size === 0) attempts.delete(key)
      if (report.retryAfterMs !== null) note(pauses, key, report.retryAfterMs)
      if (report.fault === 'node') return note(doubts, key, DOUBT_MS)
      if (report.outcome === 'served') doubts.delete(key)
    },
  }
}

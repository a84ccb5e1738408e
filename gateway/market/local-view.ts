// What this isolate has just seen of nodes itself, by model: attempts it has under way, faults, and who asked to be left alone. Every call reads it for its
// own model, so it is looked up and not searched, and holds only nodes of which something is known. Bounded: what is forgotten too early costs one attempt.
import { instant, type CallId, type Instant, type ModelId, type NodeId } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { ATTEMPT_MS } from './health/health.ts'
import type { AttemptReport, LocalJudgement } from './market-port.ts'

export const LOCAL_VIEW = {
  /** ms a node fault keeps this isolate from asking again, unless nobody else is left; twice as long for the next ones, since what stands in the snapshot may be as old */
  doubtMs: 5_000,
  doubtMsMax: 10_000,
  /** ms that a node may ask to be left alone: a longer Retry-After is cut */
  pauseMsMax: 300_000,
  /** models, and nodes of each, of which something is remembered */
  modelsMax: 1_000,
  nodesMax: 1_000,
} as const

interface Seen {
  /** when each began */
  readonly attempts: Map<string, Instant>
  brokenUntil: Instant | null
  /** faults in a row; one that is over for longer than the longest doubt begins anew */
  faults: number
  busyUntil: Instant | null
}

export type LocalView = ReturnType<typeof createLocalView>

export function createLocalView(clock: Clock) {
  const models = new Map<ModelId, Map<NodeId, Seen>>()
  const seenOf = (modelId: ModelId, nodeId: NodeId): Seen => {
    const nodes = models.get(modelId) ?? added(models, modelId, new Map<NodeId, Seen>(), LOCAL_VIEW.modelsMax)
    const nothing = { attempts: new Map<string, Instant>(), brokenUntil: null, faults: 0, busyUntil: null }
    return nodes.get(nodeId) ?? added(nodes, nodeId, nothing, LOCAL_VIEW.nodesMax)
  }
  return {
    of(modelId: ModelId): ReadonlyMap<NodeId, LocalJudgement> {
      const nodes = models.get(modelId)
      const known = new Map<NodeId, LocalJudgement>()
      if (!nodes) return known
      const now = clock()
      for (const [nodeId, seen] of nodes) {
        const judgement = judged(seen, now)
        if (judgement) known.set(nodeId, judgement)
        else if (!isRemembered(seen, now)) nodes.delete(nodeId)
      }
      if (nodes.size === 0) models.delete(modelId)
      return known
    },
    started(nodeId: NodeId, modelId: ModelId, callId: CallId, attempt: number): void {
      seenOf(modelId, nodeId).attempts.set(`${callId} ${attempt}`, clock())
    },
    ended(report: AttemptReport): void {
      const now = clock()
      const seen = seenOf(report.modelId, report.nodeId)
      seen.attempts.delete(`${report.callId} ${report.attempt}`)
      if (report.retryAfterMs !== null)
        seen.busyUntil = instant(now + Math.min(Math.max(0, report.retryAfterMs), LOCAL_VIEW.pauseMsMax))
      if (report.fault === 'node') doubt(seen, now)
      else if (report.outcome === 'served') Object.assign(seen, { brokenUntil: null, faults: 0 })
    },
  }
}

function doubt(seen: Seen, now: Instant): void {
  seen.faults = isRemembered(seen, now) ? seen.faults + 1 : 1
  const doubtMs = seen.faults === 1 ? LOCAL_VIEW.doubtMs : LOCAL_VIEW.doubtMsMax
  seen.brokenUntil = instant(now + doubtMs)
}

const isRemembered = ({ brokenUntil }: Seen, now: Instant): boolean =>
  brokenUntil !== null && now < brokenUntil + LOCAL_VIEW.doubtMsMax

/** Null: nothing is known of it now. */
function judged(seen: Seen, now: Instant): LocalJudgement | null {
  // They began in this order.
  for (const [attempt, since] of seen.attempts) {
    if (now - since <= ATTEMPT_MS) break
    seen.attempts.delete(attempt)
  }
  const ahead = (at: Instant | null): Instant | null => (at !== null && at > now ? at : null)
  const brokenUntil = ahead(seen.brokenUntil)
  const busyUntil = ahead(seen.busyUntil)
  const inFlight = seen.attempts.size
  return inFlight > 0 || brokenUntil !== null || busyUntil !== null ? { inFlight, brokenUntil, busyUntil } : null
}

/** The oldest leaves when there are too many. */
function added<K, V>(map: Map<K, V>, key: K, value: V, max: number): V {
  for (const oldest of map.keys()) {
    if (map.size < max) break
    map.delete(oldest)
  }
  map.set(key, value)
  return value
}

// NodeGuard: the one writer for one node's attempts under way, its breakers and its health. Everything stands in its own storage; D1 gets a copy
// for the snapshots, at once when a breaker changes and otherwise at most every five seconds, always from the alarm. Both methods may be
// called twice for the same attempt with one effect, so an attempt is counted once.
import { DurableObject } from 'cloudflare:workers'
import { instant, isNodeId, type CallId, type Instant, type ModelId, type NodeId } from '../../protocol/units.ts'
import type { Bindings } from '../core/env.ts'
import { systemClock } from '../core/clock.ts'
import { logError } from '../core/errors.ts'
import type { AttemptReport } from './market-port.ts'
import { createHealthBook, type OfferHealth } from './health-book.ts'
import { GuardStore } from './guard-store.ts'
import { afterReport, ATTEMPT_MS, mean, verdictOf } from './health.ts'
import { afterAttempt, breakerState } from './breaker.ts'

/** Served attempts after which a node leaves probation. */
export const PROBATION_ATTEMPTS = 20
/** ms between two copies to D1 */
const PROJECT_MS = 5_000
/** An ended one is remembered so long, for a report that comes twice. */
const ENDED_MS = 60_000

/** What the market calls; one guard per node, `idFromName(nodeId)`. */
export interface NodeGuardPort {
  attemptStarted(nodeId: NodeId, modelId: ModelId, callId: CallId, attempt: number): Promise<void>
  attemptEnded(report: AttemptReport): Promise<void>
  /** A node has just been admitted: its twenty attempts begin anew, its breakers are closed. */
  beginProbation(nodeId: NodeId): Promise<void>
  /** What its operator may ask for every so often only. @returns ms to wait; 0: it may be done now, and the time is noted */
  pace(what: 'selftest' | 'offers', apartMs: number): Promise<number>
}
export type NodeGuards = (nodeId: NodeId) => NodeGuardPort

export const createNodeGuards =
  (namespace: DurableObjectNamespace<NodeGuard>): NodeGuards =>
  (nodeId) =>
    namespace.get(namespace.idFromName(nodeId))

export class NodeGuard extends DurableObject<Bindings> implements NodeGuardPort {
  readonly #store: GuardStore

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    this.#store = new GuardStore(ctx.storage.sql)
    void ctx.blockConcurrencyWhile(async () => {
      if (this.#store.hasWork()) await this.#wakeBy(instant(systemClock() + PROJECT_MS))
    })
  }

  async attemptStarted(nodeId: NodeId, modelId: ModelId, callId: CallId, attempt: number): Promise<void> {
    const now = systemClock()
    this.#store.remember(nodeId)
    if (this.#store.begin(callId, attempt, modelId, instant(now + ATTEMPT_MS))) this.#store.markDirty(modelId)
    await this.#wakeBy(instant(now + PROJECT_MS))
  }

  async attemptEnded(report: AttemptReport): Promise<void> {
    const now = systemClock()
    this.#store.remember(report.nodeId)
    // The report may overtake its beginning, or come twice: only the first one counts.
    if (!this.#store.end(report.callId, report.attempt, report.modelId, instant(now + ENDED_MS))) return
    const { breaker, health } = this.#store.offer(report.modelId, now)
    const verdict = verdictOf(report)
    const next = verdict === null ? breaker : afterAttempt(breaker, verdict === 'served', now)
    this.#store.write(report.modelId, { breaker: next, health: afterReport(health, report, now) })
    if (verdict === 'served') this.#store.countServed()
    const isUrgent = next.until !== breaker.until || this.#store.served() === PROBATION_ATTEMPTS
    await this.#wakeBy(isUrgent ? now : instant(now + PROJECT_MS))
  }

  async beginProbation(nodeId: NodeId): Promise<void> {
    this.#store.remember(nodeId)
    this.#store.startOver()
    await this.#wakeBy(systemClock())
  }

  async pace(what: 'selftest' | 'offers', apartMs: number): Promise<number> {
    return this.#store.pace(what, apartMs, systemClock())
  }

  /** Forgets attempts nobody ended and copies what changed to D1. */
  override async alarm(): Promise<void> {
    const now = systemClock()
    this.#store.expire(now)
    const nodeId = this.#store.nodeId()
    if (!isNodeId(nodeId)) return
    const changes = this.#store.dirty()
    const offers = changes.map(({ modelId, inFlight }) => this.#view(modelId, inFlight, now))
    try {
      await createHealthBook(this.env.DB).write(nodeId, offers, this.#store.served() >= PROBATION_ATTEMPTS, now)
      this.#store.clearDirty(changes)
    } catch (error) {
      // An alarm that throws is tried a few times and then lost, and a node whose last copy says "busy" gets no call that would wake its guard.
      logError(error, null)
    }
    if (this.#store.hasWork()) await this.#wakeBy(this.#store.nextWork(instant(now + PROJECT_MS)))
  }

  #view(modelId: ModelId, inFlight: number, now: Instant): OfferHealth {
    const { breaker, health } = this.#store.offer(modelId, now)
    return {
      modelId,
      inFlight,
      breaker: breakerState(breaker, now),
      breakerUntil: breaker.until,
      success: mean(health.success),
      firstTokenMs: mean(health.firstTokenMs),
      unitsPerSecond: mean(health.unitsPerSecond),
      driftPpm: mean(health.driftPpm),
    }
  }

  async #wakeBy(at: Instant): Promise<void> {
    const set = await this.ctx.storage.getAlarm()
    if (set === null || set > at) await this.ctx.storage.setAlarm(at)
  }
}

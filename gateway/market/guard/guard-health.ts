// What a node's guard learns of its offers, attempt by attempt and probe by probe, and the copy of it that the registry gets. Reports of one attempt may come
// twice with one effect. Decisions are the rules' (health/); what is known stands in the guard's own tables.
import { instant, type Instant, type ModelId } from '../../../protocol/units.ts'
import { PROBATION } from '../admission/vesting.ts'
import type { AttemptReport } from '../market-port.ts'
import {
  afterAttempt,
  afterProbe,
  breakerState,
  mayProbe,
  probeApartMs,
  PROBE_PACE,
  type Breaker,
} from '../health/breaker.ts'
import type { HealthCopy, OfferHealth } from '../health/health-book.ts'
import { afterSample, mean, sampleOf, type Sample } from '../health/health.ts'
import { afterCapSample, capNow } from '../health/in-flight-cap.ts'
import { windowsOf, writeWindows } from '../health/windows.ts'
import type { GuardStore, OfferChange, OfferState } from './guard-store.ts'
import type { SlotStore } from './slot-store.ts'

/** Served attempts after which a node leaves probation, where the house has not set another number. */
export const PROBATION_ATTEMPTS = PROBATION.attempts
/** ms between two copies to D1 */
export const PROJECT_MS = 5_000
/** bytes of a body from which the time to its first token says nothing of a queue */
const LONG_BODY_BYTES = 2_048
/** An ended one is remembered so long, for a report that comes twice. */
const ENDED_MS = 60_000

/** How a probe went that the gateway sent because no caller did. */
export interface ProbeReport {
  readonly modelId: ModelId
  /** away: its link is not there, or it is going; nothing is known of it */
  readonly outcome: 'served' | 'failed' | 'busy' | 'away'
  readonly firstTokenMs: number | null
  /** absent: it did not */
  readonly hasRefusedTicket?: boolean
}

/** A copy, and what it was made of. */
export interface GuardCopy extends HealthCopy {
  readonly changes: readonly OfferChange[]
}

export class GuardHealth {
  readonly #store: GuardStore
  readonly #slots: SlotStore
  readonly #enough: () => number

  /** @param enough served attempts that end a probation now */
  constructor(store: GuardStore, slots: SlotStore, enough: () => number = () => PROBATION_ATTEMPTS) {
    this.#store = store
    this.#enough = enough
    this.#slots = slots
  }

  /** @returns when the registry is to hear of it; null: the attempt had ended before */
  ended(report: AttemptReport, now: Instant): Instant | null {
    const { modelId } = report
    // The report may overtake its beginning, or come twice: only the first one counts.
    if (!this.#store.end(report.callId, report.attempt, modelId, instant(now + ENDED_MS))) return null
    const state = this.#store.offer(modelId, now)
    const sample = sampleOf(report)
    const { verdict } = sample
    const isAnswer = verdict === 'served' || verdict === 'failed'
    const begunAt = instant(now - report.durationMs)
    const breaker = isAnswer ? afterAttempt(state.breaker, verdict === 'served', now, begunAt) : state.breaker
    const inFlight = this.#store.inFlight(modelId) + 1
    // A long input is slow without a queue: a caller of many could otherwise bring a node down to one call at a time.
    const isLong = (report.shape?.bodyBytes ?? 0) > LONG_BODY_BYTES
    const firstTokenMs = isLong ? null : report.firstTokenMs
    const cap = afterCapSample(state.cap, { verdict, firstTokenMs, inFlight }, now)
    const ticketsRefused = afterTicket(state.ticketsRefused, verdict, report)
    this.#learn(modelId, sample, { ...state, breaker, cap, ticketsRefused }, state.breaker, now)
    if (verdict === 'served') this.#store.countServed()
    return this.#due(state.breaker, breaker, now)
  }

  /** @returns whether the gateway may probe it now; then nobody else does until it is told how it went */
  beginProbe(modelId: ModelId, now: Instant): boolean {
    if (!mayProbe(this.#store.offer(modelId, now).breaker, now)) return false
    return this.#store.beginProbe(modelId, now, instant(now + PROBE_PACE.lifeMs))
  }

  /** A probe is no attempt: it serves nobody, so it ends no probation. @returns when the registry is to hear of it */
  probed(report: ProbeReport, now: Instant): Instant | null {
    const { modelId, outcome, firstTokenMs } = report
    const state = this.#store.offer(modelId, now)
    this.#store.endProbe(modelId, instant(now + probeApartMs(state.breaker, now)))
    if (outcome === 'away') return null
    const breaker = outcome === 'busy' ? state.breaker : afterProbe(state.breaker, outcome === 'served', now)
    const sample = { verdict: outcome, firstTokenMs, unitsPerSecond: null, driftPpm: null }
    const ticketsRefused = afterTicket(state.ticketsRefused, outcome, report)
    this.#learn(modelId, sample, { ...state, breaker, ticketsRefused }, state.breaker, now)
    return this.#due(state.breaker, breaker, now)
  }

  /** What the registry does not know yet. */
  copy(now: Instant): GuardCopy {
    this.#slots.forget(now)
    const changes = this.#store.dirty()
    const offers = changes.map(({ modelId, inFlight }) => this.#view(modelId, inFlight, now))
    return { changes, offers, slots: this.#slots.over(now) }
  }

  copied({ changes, slots }: GuardCopy): void {
    this.#store.clearDirty(changes)
    this.#slots.written(slots)
  }

  /** When the alarm is needed next; null: when somebody reports again. */
  nextWork(now: Instant): Instant | null {
    const soon = instant(now + PROJECT_MS)
    const over = this.#slots.nextOver()
    const due = [
      ...(this.#store.hasWork() ? [this.#store.nextWork(soon)] : []),
      ...(over === null ? [] : [instant(Math.max(soon, over))]),
    ]
    return due.length === 0 ? null : instant(Math.min(...due))
  }

  #learn(modelId: ModelId, sample: Sample, next: OfferState, before: Breaker, now: Instant): void {
    this.#slots.add(modelId, sample, now)
    // While the breaker is open its failures are known already: they come of attempts that were under way, or of how often it is tried.
    const isKnown = sample.verdict === 'failed' && before.phase === 'open'
    const news = isKnown ? { ...sample, verdict: null } : sample
    this.#store.write(modelId, { ...next, health: afterSample(next.health, news, now) })
  }

  #due(before: Breaker, after: Breaker, now: Instant): Instant {
    const isUrgent = after.until !== before.until || this.#store.served() === this.#enough()
    return isUrgent ? now : instant(now + PROJECT_MS)
  }

  #view(modelId: ModelId, inFlight: number, now: Instant): OfferHealth {
    const { breaker, health, cap } = this.#store.offer(modelId, now)
    const windows = windowsOf(this.#slots.minutes(modelId, now), this.#slots.halfHours(modelId, now), now)
    return {
      modelId,
      inFlight,
      breaker: breakerState(breaker, now),
      breakerUntil: breaker.until,
      success: mean(health.success),
      firstTokenMs: mean(health.firstTokenMs),
      unitsPerSecond: mean(health.unitsPerSecond),
      driftPpm: mean(health.driftPpm),
      busyShare: mean(health.busy),
      inFlightCap: capNow(cap, now),
      windows: writeWindows(windows, now),
    }
  }
}

/** What was held against nobody counts here neither: were our own key wrong, all nodes would refuse. */
function afterTicket(
  refused: number,
  verdict: string | null,
  { hasRefusedTicket = false }: Pick<ProbeReport, 'hasRefusedTicket'>,
): number {
  if (verdict === 'served') return 0
  return verdict === 'failed' && hasRefusedTicket ? refused + 1 : refused
}

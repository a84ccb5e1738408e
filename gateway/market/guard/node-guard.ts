// NodeGuard: the one writer for one node's attempts under way, its breakers and its health, and the place where its link ends (guard-link.ts). Everything stands in
// its own storage; D1 gets a copy for the snapshots, at once when a breaker changes and otherwise at most every five seconds, always from the alarm.
// Reports may come twice for the same attempt with one effect, so an attempt is counted once. It sleeps while its link is idle.
import { DurableObject } from 'cloudflare:workers'
import { instant, isNodeId, type CallId, type Instant, type ModelId, type NodeId } from '../../../protocol/units.ts'
import type { Bindings } from '../../core/env.ts'
import { systemClock } from '../../core/clock.ts'
import { logError } from '../../core/errors.ts'
import { toGuardCall, type LinkGuard } from '../../link/link-request.ts'
import { PROBATION } from '../admission/vesting.ts'
import type { AttemptReport } from '../market-port.ts'
import { GuardLink } from './guard-link.ts'
import { createLinkBook } from './link-book.ts'
import { LinkOffer, LINK_URL, OFFER_HEADER } from './link-offer.ts'
import { LinkStore } from './link-store.ts'
import { createHealthBook, type OfferHealth } from '../health/health-book.ts'
import { GuardStore } from './guard-store.ts'
import { afterReport, ATTEMPT_MS, mean, verdictOf } from '../health/health.ts'
import { afterAttempt, breakerState } from '../health/breaker.ts'

/** Served attempts after which a node leaves probation. */
export const PROBATION_ATTEMPTS = PROBATION.attempts
/** ms between two copies to D1 */
const PROJECT_MS = 5_000
/** An ended one is remembered so long, for a report that comes twice. */
const ENDED_MS = 60_000

export type Paced = 'selftest' | 'offers' | 'resume' | 'registration'

/** What the market calls; one guard per node, `idFromName(nodeId)`. */
export interface NodeGuardPort extends LinkGuard {
  attemptStarted(nodeId: NodeId, modelId: ModelId, callId: CallId, attempt: number): Promise<void>
  attemptEnded(report: AttemptReport): Promise<void>
  /** Attempts it ever served, or since its last suspension: a probation's worth of them makes it active. */
  servedAttempts(): Promise<number>
  /** A node has just passed its probes: its breakers are closed. What it has served, and how well, stays: registering again washes nothing away. */
  admitted(nodeId: NodeId): Promise<void>
  /** A node is let in again after a suspension: as admitted, and its attempts are counted from none. */
  beginProbation(nodeId: NodeId): Promise<void>
  /** What its operator may ask for every so often only. @returns ms to wait; 0: it may be done now, and the time is noted */
  pace(what: Paced, apartMs: number): Promise<number>
  /** Ends the node's link: it was suspended or revoked, or its key was exchanged. @param code of LINK_CLOSE @param reason for its operator */
  dropLink(code: number, reason: string): Promise<void>
  /** Asks the node to come back by a new link within so many ms. */
  sendDrain(withinMs: number): Promise<void>
}
export type NodeGuards = (nodeId: NodeId) => NodeGuardPort

export const createNodeGuards =
  (namespace: DurableObjectNamespace<NodeGuard>): NodeGuards =>
  (nodeId) =>
    namespace.get(namespace.idFromName(nodeId))

export class NodeGuard extends DurableObject<Bindings> implements Omit<NodeGuardPort, 'fetch'> {
  readonly #store: GuardStore
  readonly #link: GuardLink

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    this.#store = new GuardStore(ctx.storage.sql)
    this.#link = new GuardLink({
      context: ctx,
      store: new LinkStore(ctx.storage.sql),
      clock: systemClock,
      onChange: () => ctx.waitUntil(this.#wakeForLink()),
    })
    void ctx.blockConcurrencyWhile(async () => {
      if (this.#store.hasWork()) await this.#wakeBy(instant(systemClock() + PROJECT_MS))
      await this.#wakeForLink()
    })
  }

  /** A node's own upgrade, which a route has checked, or a call for it. */
  override async fetch(request: Request): Promise<Response> {
    if (request.url !== LINK_URL) return this.#link.call(toGuardCall(request.headers), request.body)
    const offer = LinkOffer.parse(JSON.parse(request.headers.get(OFFER_HEADER) ?? ''))
    this.#store.remember(offer.nodeId)
    return this.#link.accept(offer)
  }

  async cancelStream(key: string): Promise<void> {
    this.#link.cancel(key)
  }

  async dropLink(code: number, reason: string): Promise<void> {
    this.#link.drop(code, reason)
  }

  async sendDrain(withinMs: number): Promise<void> {
    this.#link.askToComeBack(withinMs)
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    this.#link.receive(socket, message)
  }

  override webSocketClose(socket: WebSocket): void {
    this.#link.closed(socket)
  }

  override webSocketError(socket: WebSocket): void {
    this.#link.closed(socket)
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

  async servedAttempts(): Promise<number> {
    return this.#store.served()
  }

  async admitted(nodeId: NodeId): Promise<void> {
    this.#store.remember(nodeId)
    this.#store.closeBreakers()
    await this.#wakeBy(systemClock())
  }

  async beginProbation(nodeId: NodeId): Promise<void> {
    this.#store.remember(nodeId)
    this.#store.forgetServed()
    await this.admitted(nodeId)
  }

  async pace(what: Paced, apartMs: number): Promise<number> {
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
    await this.#tellLink(nodeId, now)
  }

  /** A deployment drops every link and gets them back within seconds: that is written nowhere. */
  async #tellLink(nodeId: NodeId, now: Instant): Promise<void> {
    const news = this.#link.look(now)
    if (news) {
      const book = createLinkBook(this.env.DB)
      try {
        await (news.isUp ? book.up : book.down)(nodeId, news.since)
        this.#link.told(news)
      } catch (error) {
        // Told again at the next look; it is as true then.
        logError(error, null)
        return this.#wakeBy(instant(now + PROJECT_MS))
      }
    }
    await this.#wakeForLink()
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

  async #wakeForLink(): Promise<void> {
    const at = this.#link.nextLook(systemClock())
    if (at !== null) await this.#wakeBy(at)
  }

  async #wakeBy(at: Instant): Promise<void> {
    const set = await this.ctx.storage.getAlarm()
    if (set === null || set > at) await this.ctx.storage.setAlarm(at)
  }
}

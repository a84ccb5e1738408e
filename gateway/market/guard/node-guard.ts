// NodeGuard: the one writer for one node's attempts under way, its breakers and its health, and the place where its link ends (guard-link.ts). Everything stands in
// its own storage; D1 gets a copy for the snapshots, at once when a breaker changes and otherwise at most every five seconds, always from the alarm.
// Reports may come twice for the same attempt with one effect, so an attempt is counted once. It sleeps while its link is idle.
import { DurableObject } from 'cloudflare:workers'
import { instant, isNodeId, type CallId, type Instant, type ModelId, type NodeId } from '../../../protocol/units.ts'
import type { Bindings } from '../../core/env.ts'
import { systemClock, systemRandom } from '../../core/clock.ts'
import { logError } from '../../core/errors.ts'
import { createParameters, defaultsOf, type Parameters } from '../../core/parameters.ts'
import { toGuardCall, type LinkGuard } from '../../link/link-request.ts'
import type { AttemptReport } from '../market-port.ts'
import { GuardLink } from './guard-link.ts'
import { createLinkBook } from './link-book.ts'
import { LinkOffer, LINK_URL, OFFER_HEADER } from './link-offer.ts'
import { LinkStore } from './link-store.ts'
import { createHealthBook } from '../health/health-book.ts'
import { ATTEMPT_MS } from '../health/health.ts'
import { GuardHealth, PROJECT_MS, type ProbeReport } from './guard-health.ts'
import { GuardStore } from './guard-store.ts'
import { SlotStore } from './slot-store.ts'
import { createShapeBook } from '../audits/shape-book.ts'
import { ShapeStore } from '../audits/shape-store.ts'

/** Of all that the house sets a node's guard asks for the length of a probation alone. */
const DEFAULTS = defaultsOf({ feeBps: 0, auditBps: 0 })

export type Paced = 'selftest' | 'offers' | 'resume' | 'registration'

/** What the market calls; one guard per node, `idFromName(nodeId)`. */
export interface NodeGuardPort extends LinkGuard {
  attemptStarted(nodeId: NodeId, modelId: ModelId, callId: CallId, attempt: number): Promise<void>
  attemptEnded(report: AttemptReport): Promise<void>
  /** Asked by whoever would probe an offer without traffic, or a broken one. @returns whether to; then {@link probed} must follow */
  beginProbe(nodeId: NodeId, modelId: ModelId): Promise<boolean>
  probed(report: ProbeReport): Promise<void>
  /** Attempts it ever served, or since its last suspension: a probation's worth of them makes it active. */
  servedAttempts(): Promise<number>
  /** Model -> calls and probes since it last answered that failed because the node refused their tickets; without those that refused none. */
  ticketsRefused(): Promise<Record<string, number>>
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
  readonly #health: GuardHealth
  readonly #link: GuardLink
  readonly #shapes: ShapeStore
  readonly #parameters: Parameters

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    this.#store = new GuardStore(ctx.storage.sql)
    this.#parameters = createParameters({ db: env.DB, clock: systemClock, defaults: DEFAULTS })
    this.#health = new GuardHealth(
      this.#store,
      new SlotStore(ctx.storage.sql),
      () => this.#parameters.last().probationCalls,
    )
    this.#shapes = new ShapeStore(ctx.storage.sql)
    this.#link = new GuardLink({
      context: ctx,
      store: new LinkStore(ctx.storage.sql),
      clock: systemClock,
      onChange: () => ctx.waitUntil(this.#wakeForLink()),
    })
    void ctx.blockConcurrencyWhile(async () => {
      await this.#wakeForHealth()
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
    this.#store.remember(report.nodeId)
    const due = this.#health.ended(report, systemClock())
    if (due === null) return
    if (report.outcome === 'served' && report.shape !== null)
      this.#shapes.note(report.modelId, report.shape, systemRandom)
    await this.#wakeBy(due)
  }

  async beginProbe(nodeId: NodeId, modelId: ModelId): Promise<boolean> {
    this.#store.remember(nodeId)
    return this.#health.beginProbe(modelId, systemClock())
  }

  async probed(report: ProbeReport): Promise<void> {
    const due = this.#health.probed(report, systemClock())
    if (due !== null) await this.#wakeBy(due)
  }

  async servedAttempts(): Promise<number> {
    return this.#store.served()
  }

  async ticketsRefused(): Promise<Record<string, number>> {
    return this.#store.ticketsRefused()
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
    const copy = this.#health.copy(now)
    try {
      const { probationCalls } = await this.#parameters.now((work) => this.ctx.waitUntil(work))
      await createHealthBook(this.env.DB).write(nodeId, copy, this.#store.served() >= probationCalls, now)
      this.#health.copied(copy)
      await createShapeBook(this.env.DB).write(this.#shapes.take(now), systemRandom, now)
    } catch (error) {
      // An alarm that throws is tried a few times and then lost, and a node whose last copy says "busy" gets no call that would wake its guard.
      logError(error, null)
    }
    await this.#wakeForHealth()
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

  async #wakeForHealth(): Promise<void> {
    const at = this.#health.nextWork(systemClock())
    if (at !== null) await this.#wakeBy(at)
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

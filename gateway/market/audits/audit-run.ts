// The audits of one minute (flow): whose turn has come by its own calls is examined, the most suspected first, as long as the budget lasts; busy and suspected offers several times in
// the minute, as often as their calls come. Bounded in offers, examinations and time. What is not done is the next minute's.
import { instant, nanos, type Instant, type ModelId, type Nanos, type NodeId } from '../../../protocol/units.ts'
import { seededRandom } from '../../../protocol/replay.ts'
import { logError } from '../../core/errors.ts'
import { base64url } from '../../../protocol/canonical.ts'
import type { CallShape, Model } from '../market-port.ts'
import type { Target } from './audit-book.ts'
import { DAY_MS, type AuditPayBook } from './audit-day-book.ts'
import { gapDraw } from './disguise.ts'
import { examine, type ExamineNeeds } from './examine.ts'
import {
  arrivalMs,
  budgetLeft,
  CALM_SHARE,
  gapOf,
  isSoon,
  momentMs,
  windowOf,
  type Pace,
  type Window,
} from './schedule.ts'
import type { createShapeBook } from './shape-book.ts'
import { carried, trustOf } from './suspicion.ts'

/** What the book says of calls; sums alone. */
export interface AuditTraffic {
  called(now: Instant): Promise<{ readonly nodeId: NodeId; readonly modelId: ModelId }[]>
  callsSince(
    offers: readonly { readonly nodeId: NodeId; readonly modelId: ModelId; readonly since: Instant }[],
    now: Instant,
  ): Promise<{ readonly calls: number; readonly lastMinute: number }[]>
  lastStarts(offer: { readonly nodeId: NodeId; readonly modelId: ModelId }, rows: number): Promise<readonly Instant[]>
  revenueSince(from: Instant): Promise<Nanos>
}

export interface RunNeeds extends Omit<ExamineNeeds, 'turnOf'> {
  readonly shapes: ReturnType<typeof createShapeBook>
  readonly spending: Pick<AuditPayBook, 'spentSince'>
  readonly traffic: AuditTraffic
  /** basis points of what callers paid that audits may cost; 0: there are none */
  readonly auditBps: number
  readonly wait: (ms: number) => Promise<void>
}

export const RUN = {
  /** ms in which examinations begin: the next minute's run follows */
  windowMs: 56_000,
  /** ms that a partner is waited for, until a call of its own would come */
  partnerMs: 5_000,
  /** calls of an offer by which it is told when the next would come */
  starts: 48,
  /** offers whose calls are counted in one run; which ones is drawn anew each time */
  countedMax: 400,
  /** offers examined in one run, and examinations of one of them: a Worker makes a bounded number of requests */
  dueMax: 60,
  perOfferMax: 12,
  examinationsMax: 28,
  /** nanos a day that may be spent before callers have paid enough for a share of it: five cents */
  allowanceNanos: nanos(50_000_000n),
  /** days after which calls of before are not counted: an offer that is called so seldom is examined by then */
  countedMs: 30 * DAY_MS,
} as const

interface Waiting {
  readonly target: Target
  readonly pace: Pace
  /** null: its turn does not come in this run */
  readonly window: Window | null
}

/** @returns the job of one minute; it never throws for a node's sake */
export function createAuditRun(needs: RunNeeds): () => Promise<void> {
  return async () => {
    if (needs.auditBps === 0) return
    const now = needs.clock()
    const random = seededRandom(base64url(needs.random(16)))
    const called = await needs.traffic.called(now)
    if (called.length === 0) return
    const chosen = shuffled(called, random).slice(0, RUN.countedMax)
    const targets = await needs.book.targets([...new Set(chosen.map(({ modelId }) => modelId))], now)
    const waiting = await waitingOf(needs, chosen, targets, now)
    // The suspected first. The others stand in random order: who is seldom called waits long, and must keep nobody else waiting.
    const due = waiting
      .filter(({ window }) => window !== null)
      .filter(({ target, pace }) => isSoon(target, pace) || random() < CALM_SHARE)
      .sort((a, b) => b.target.suspicion - a.target.suspicion)
      .slice(0, RUN.dueMax)
    if (due.length === 0) return
    const run = new Run(needs, now, random, targets, waiting, due)
    await run.all()
  }
}

class Run {
  readonly #models = new Map<ModelId, Promise<{ model: Model | null; shapes: CallShape[] }>>()
  /** examined in this run already, as somebody's partner */
  readonly #seen = new Set<Target>()
  #left = 0n
  #examinations = 0

  constructor(
    private readonly needs: RunNeeds,
    private readonly from: Instant,
    private readonly random: () => number,
    private readonly targets: readonly Target[],
    private readonly waiting: readonly Waiting[],
    private readonly due: readonly Waiting[],
  ) {}

  async all(): Promise<void> {
    const { spending, traffic, auditBps } = this.needs
    const since = instant(this.from - DAY_MS)
    const [revenue, spent] = await Promise.all([traffic.revenueSince(since), spending.spentSince(since)])
    this.#left = budgetLeft(revenue, spent, auditBps, RUN.allowanceNanos)
    for (const line of await Promise.allSettled(this.due.map((one) => this.#line(one))))
      if (line.status === 'rejected') logError(line.reason, null)
  }

  /** One offer, again and again as its calls come. */
  async #line({ target, pace: { lastMinute }, window }: Waiting): Promise<void> {
    const { needs } = this
    let standing = target
    if (!window || !(await this.#isTurn(target, window))) return
    for (let turn = 0; turn < RUN.perOfferMax; turn++) {
      // Whoever was asked as another's partner meanwhile has had its turn.
      if (this.#left <= 0n || (turn === 0 && this.#seen.has(target))) return
      if (++this.#examinations > RUN.examinationsMax) return
      this.#seen.add(target)
      // Before anything is waited for: who is asked as a partner is not examined beside that.
      const { others, dueOthers } = this.#othersOf(target)
      for (const other of others.slice(0, dueOthers === 0 ? 0 : 1)) this.#seen.add(other)
      const { model, shapes } = await this.#modelOf(target.offer.modelId)
      if (!model) return
      const turnOf = (asked: Target) => (asked === standing ? Promise.resolve() : this.#partnersTurn(asked))
      const examination = { due: standing, model, shapes, others, dueOthers, random: this.random }
      const examined = await examine({ ...needs, turnOf }, examination)
      this.#left -= examined.costNanos
      if (examined.isSuspended || examined.suspicion === null) return
      standing = { ...standing, suspicion: carried(examined.suspicion), lastAt: needs.clock() }
      const pauseMs = lastMinute === 0 ? Infinity : (gapOf(standing, this.random()) / lastMinute) * MINUTE_MS
      if (needs.clock() + pauseMs > this.from + RUN.windowMs) return
      await needs.wait(pauseMs)
    }
  }

  /** Waits for a moment of the window, and then until a call would come. @returns false when none would in this run */
  async #isTurn({ offer }: Target, window: Window): Promise<boolean> {
    const { clock, traffic, wait } = this.needs
    await wait(momentMs(window, this.from, clock(), this.random()))
    const ms = arrivalMs(await traffic.lastStarts(offer, RUN.starts), clock(), this.random()) ?? 0
    if (clock() + ms > this.from + RUN.windowMs) return false
    await wait(ms)
    return true
  }

  async #partnersTurn({ offer }: Target): Promise<void> {
    const { clock, traffic, wait } = this.needs
    const ms = arrivalMs(await traffic.lastStarts(offer, RUN.starts), clock(), this.random()) ?? 0
    await wait(Math.min(ms, RUN.partnerMs * this.random()))
  }

  /** Other operators' offers of the model: who is trusted before who is not, then who is due as well, then who is being called. */
  #othersOf({ offer }: Target): { others: Target[]; dueOthers: number } {
    const others = shuffled(
      this.targets.filter(
        (other) =>
          other.offer.modelId === offer.modelId &&
          other.offer.operatorAccountId !== offer.operatorAccountId &&
          other.offer.breaker === 'closed',
      ),
      this.random,
    )
    const isDue = new Set(this.due.map(({ target }) => target))
    const isCalled = new Set(this.waiting.flatMap((one) => (one.pace.lastMinute > 0 ? [one.target] : [])))
    const rankOf = (other: Target) =>
      (trustOf(other.suspicion) < 1 ? 4 : 0) +
      (isDue.has(other) && !this.#seen.has(other) ? 0 : 2) +
      (isCalled.has(other) ? 0 : 1)
    const ranked = [...others].sort((a, b) => rankOf(a) - rankOf(b))
    return { others: ranked, dueOthers: ranked.filter((other) => rankOf(other) < 2).length }
  }

  #modelOf(modelId: ModelId) {
    const known = this.#models.get(modelId)
    if (known) return known
    const { book, shapes } = this.needs
    const read = Promise.all([book.model(modelId), shapes.of(modelId)]).then(([model, seen]) => ({
      model,
      shapes: seen,
    }))
    this.#models.set(modelId, read)
    return read
  }
}

const MINUTE_MS = 60_000

async function waitingOf(
  { traffic, config }: RunNeeds,
  called: readonly { readonly nodeId: NodeId; readonly modelId: ModelId }[],
  targets: readonly Target[],
  now: Instant,
): Promise<Waiting[]> {
  const wanted = new Set(called.map(({ nodeId, modelId }) => `${nodeId} ${modelId}`))
  const asked = targets.filter(({ offer }) => wanted.has(`${offer.nodeId} ${offer.modelId}`))
  const oldest = instant(now - RUN.countedMs)
  const counted = await traffic.callsSince(
    asked.map(({ offer: { nodeId, modelId }, lastAt }) => ({
      nodeId,
      modelId,
      since: lastAt !== null && lastAt > oldest ? lastAt : oldest,
    })),
    now,
  )
  return asked.map((target, i) => {
    const { nodeId, modelId } = target.offer
    const { calls = 0, lastMinute = 0 } = counted[i] ?? {}
    const gap = gapOf(target, gapDraw(config.keySecret, nodeId, modelId, target.lastAt))
    const minutes = Math.max(1, (now - (target.lastAt ?? now)) / MINUTE_MS)
    const pace = { lastMinute, sustained: calls / minutes }
    return { target, pace, window: windowOf(target, calls, gap, pace, RUN.windowMs) }
  })
}

/** Fisher and Yates. */
function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const mixed = [...list]
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const [a, b] = [mixed[i], mixed[j]]
    if (a !== undefined && b !== undefined) [mixed[i], mixed[j]] = [b, a]
  }
  return mixed
}

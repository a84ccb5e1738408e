// The audits of one minute (flow): whose turn has come by its own calls is examined, the most suspected first, as long as the budget lasts; busy and suspected offers several times in
// the minute, as often as their calls come. Bounded in offers, examinations and time. What is not done is the next minute's.
import { instant, nanos, type Instant, type ModelId, type Nanos, type NodeId } from '../../../protocol/units.ts'
import { seededRandom } from '../choose/draw.ts'
import { logError } from '../../core/errors.ts'
import { base64url } from '../../../protocol/canonical.ts'
import type { CallShape, Model } from '../market-port.ts'
import { DAY_MS, type Target } from './audit-book.ts'
import { gapDraw } from './disguise.ts'
import { examine, type ExamineNeeds } from './examine.ts'
import { budgetLeft, delayMs, gapOf, urgencyOf } from './schedule.ts'
import type { createShapeBook } from './shape-book.ts'
import { carried, trustOf } from './suspicion.ts'

/** What the book says of calls; sums alone. */
export interface AuditTraffic {
  called(now: Instant): Promise<{ readonly nodeId: NodeId; readonly modelId: ModelId }[]>
  callsSince(
    offers: readonly { readonly nodeId: NodeId; readonly modelId: ModelId; readonly since: Instant }[],
    now: Instant,
  ): Promise<{ readonly calls: number; readonly starts: readonly Instant[] }[]>
  revenueSince(from: Instant): Promise<Nanos>
}

export interface RunNeeds extends Omit<ExamineNeeds, 'turnOf'> {
  readonly shapes: ReturnType<typeof createShapeBook>
  readonly traffic: AuditTraffic
  /** basis points of what callers paid that audits may cost; 0: there are none */
  readonly auditBps: number
  readonly wait: (ms: number) => Promise<void>
}

export const RUN = {
  /** ms in which examinations begin: the next minute's run follows */
  windowMs: 50_000,
  /** offers whose calls are counted in one run; which ones is drawn anew each time */
  countedMax: 400,
  /** offers examined in one run, and examinations of one of them: a Worker makes a bounded number of requests */
  dueMax: 24,
  perOfferMax: 6,
  /** nanos a day that may be spent before callers have paid enough for a share of it: five cents */
  allowanceNanos: nanos(50_000_000n),
  /** days after which calls of before are not counted: an offer that is called so seldom is examined by then */
  countedMs: 30 * DAY_MS,
} as const

interface Waiting {
  readonly target: Target
  readonly calls: number
  readonly starts: readonly Instant[]
  readonly gap: number
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
    const due = waiting
      .filter(({ calls, gap }) => calls >= gap)
      .sort((a, b) => urgencyOf(b.target, b.calls, b.gap) - urgencyOf(a.target, a.calls, a.gap))
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

  constructor(
    private readonly needs: RunNeeds,
    private readonly from: Instant,
    private readonly random: () => number,
    private readonly targets: readonly Target[],
    private readonly waiting: readonly Waiting[],
    private readonly due: readonly Waiting[],
  ) {}

  async all(): Promise<void> {
    const { book, traffic, auditBps } = this.needs
    const since = instant(this.from - DAY_MS)
    const [revenue, spent] = await Promise.all([traffic.revenueSince(since), book.spentSince(since)])
    this.#left = budgetLeft(revenue, spent, auditBps, RUN.allowanceNanos)
    for (const line of await Promise.allSettled(this.due.map((one) => this.#line(one))))
      if (line.status === 'rejected') logError(line.reason, null)
  }

  /** One offer, again and again as its calls come. */
  async #line({ target, starts }: Waiting): Promise<void> {
    const { needs } = this
    let standing = target
    for (let turn = 0; turn < RUN.perOfferMax; turn++) {
      // Whoever was asked as another's partner meanwhile has had its turn.
      if (this.#left <= 0n || (turn === 0 && this.#seen.has(target))) return
      this.#seen.add(target)
      const { model, shapes } = await this.#modelOf(target.offer.modelId)
      if (!model) return
      const { others, dueOthers } = this.#othersOf(target)
      for (const other of others.slice(0, dueOthers === 0 ? 0 : 1)) this.#seen.add(other)
      const isFirst = turn === 0
      const turnOf = (asked: Target) => this.#turnOf(asked, isFirst || asked !== target)
      const examined = await examine(
        { ...needs, turnOf },
        { due: standing, model, shapes, others, dueOthers, random: this.random },
      )
      this.#left -= examined.costNanos
      if (examined.isSuspended || examined.suspicion === null) return
      standing = { ...standing, suspicion: carried(examined.suspicion), lastAt: needs.clock() }
      const calls = gapOf(standing, this.random())
      const pauseMs = starts.length === 0 ? Infinity : (calls / starts.length) * MINUTE_MS
      if (needs.clock() + pauseMs > this.from + RUN.windowMs) return
      await needs.wait(pauseMs)
    }
  }

  /** Other operators' offers of the model; who is due as well comes first, and who is trusted before who is not. */
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
    const rankOf = (other: Target) =>
      (isDue.has(other) && !this.#seen.has(other) ? 0 : 1) + (trustOf(other.suspicion) < 1 ? 2 : 0)
    const ranked = [...others].sort((a, b) => rankOf(a) - rankOf(b))
    return { others: ranked, dueOthers: ranked.filter((other) => rankOf(other) === 0).length }
  }

  async #turnOf(target: Target, waits: boolean): Promise<void> {
    if (!waits) return
    const starts = this.waiting.find((one) => one.target === target)?.starts ?? []
    const now = this.needs.clock()
    await this.needs.wait(delayMs(starts, this.from, now, RUN.windowMs, this.random(), this.random()))
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
    const { calls = 0, starts = [] } = counted[i] ?? {}
    return { target, calls, starts, gap: gapOf(target, gapDraw(config.keySecret, nodeId, modelId, target.lastAt)) }
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

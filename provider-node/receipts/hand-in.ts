// Hands receipts to the gateway until it has acknowledged them: in batches, after a short wait for company, one request at a time. A gateway that is
// away is asked again ever more seldom and at random moments; only what it refuses for good is set aside. What it says of one receipt says nothing of
// the others in its batch.
import { SoukError } from '../../protocol/client.ts'
import type { ReceiptAnswer } from '../../protocol/receipt.ts'
import type { Log } from '../log.ts'
import { ownOf, type History } from './history.ts'
import { RECEIPT_LIMITS } from './receipt-limits.ts'
import type { ReceiptMetrics } from './receipt-metrics.ts'
import type { ReceiptStore } from './store.ts'
import type { Kept } from './stored.ts'

export interface HandInNeeds {
  readonly store: Pick<ReceiptStore, 'next' | 'acknowledge' | 'reject' | 'waitingCount'>
  readonly history: History
  /** `POST /api/receipts`: an answer for each, in their order. Rejects when there were none. */
  readonly send: (receipts: readonly Kept[], signal: AbortSignal) => Promise<readonly ReceiptAnswer[]>
  /** ms */
  readonly now: () => number
  /** evenly in [0, 1) */
  readonly random: () => number
  readonly log: Log
  readonly metrics: ReceiptMetrics
}

export interface HandIn {
  /** A receipt was kept. */
  wake(): void
  /** The gateway is there again: whatever waits is tried at once. */
  retryNow(): void
  /** Hands in the rest, as far as it goes in so many ms; what is left stays in the store. */
  close(withinMs?: number): Promise<void>
}

/** What a whole batch may be refused for because of one receipt in it. */
const BATCH_REFUSALS: ReadonlySet<string> = new Set(['invalid_request', 'invalid_json', 'body_too_large'])

export function createHandIn(needs: HandInNeeds): HandIn {
  const handIn = new Rounds(needs)
  handIn.begin()
  return {
    wake: () => handIn.wake(),
    retryNow: () => handIn.retryNow(),
    close: (withinMs = RECEIPT_LIMITS.drainMs) => handIn.close(withinMs),
  }
}

class Rounds {
  readonly #needs: HandInNeeds
  /** receipts the gateway could not take: when each is due again */
  readonly #later = new Map<string, { tries: number; dueAt: number }>()
  /** the request under way; one signal for each, since what listens to a long-lived one stays with it */
  #request: AbortController | null = null
  #timer: NodeJS.Timeout | null = null
  #timerAt = Infinity
  #round: Promise<boolean> | null = null
  #batch: number = RECEIPT_LIMITS.batch
  /** requests in a row that brought no answers */
  #failures = 0
  #isClosing = false
  /** the time to close is up */
  #isOver = false

  constructor(needs: HandInNeeds) {
    this.#needs = needs
  }

  /** What the last run left goes first; nodes that start at the same moment do not ask at the same moment. */
  begin(): void {
    if (this.#needs.store.waitingCount > 0) this.#within(this.#needs.random() * RECEIPT_LIMITS.startMs)
  }

  wake(): void {
    if (this.#failures > 0 || this.#round) return
    this.#within(this.#dueCount() >= RECEIPT_LIMITS.batch ? 0 : RECEIPT_LIMITS.batchMs)
  }

  retryNow(): void {
    this.#failures = 0
    for (const wait of this.#later.values()) wait.dueAt = 0
    if (this.#needs.store.waitingCount > 0) this.#within(0)
  }

  async close(withinMs: number): Promise<void> {
    this.#isClosing = true
    this.#clear()
    const late = setTimeout(() => {
      this.#isOver = true
      this.#request?.abort()
    }, withinMs)
    await this.#round
    for (const wait of this.#later.values()) wait.dueAt = 0
    // Each is tried once more; whatever fails now waits for the next start.
    while (!this.#isOver && this.#dueCount() > 0 && (await this.#run()));
    clearTimeout(late)
  }

  #dueCount(): number {
    const notDue = [...this.#later.values()].filter((wait) => this.#waitMs(wait) > 0).length
    return this.#needs.store.waitingCount - notDue
  }

  /** Longer than any pause that is drawn is a clock that was set back, and keeps nobody waiting. */
  #waitMs({ dueAt }: { readonly dueAt: number }): number {
    const left = dueAt - this.#needs.now()
    return left > RECEIPT_LIMITS.retryMs.last ? 0 : Math.max(0, left)
  }

  /** The next round begins in so many ms, or earlier when it was planned earlier. */
  #within(ms: number): void {
    const at = this.#needs.now() + ms
    if (this.#isClosing || this.#round || at >= this.#timerAt) return
    this.#clear()
    this.#timerAt = at
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity
      void this.#run().then(() => this.#plan())
    }, ms)
    // Receipts on the disk keep no program alive.
    this.#timer.unref()
  }

  #clear(): void {
    clearTimeout(this.#timer ?? undefined)
    this.#timerAt = Infinity
  }

  #plan(): void {
    if (this.#failures > 0) return this.#within(this.#pause(this.#failures))
    const due = this.#dueCount()
    if (due > 0) this.#within(due >= this.#batch ? RECEIPT_LIMITS.backlogPauseMs : RECEIPT_LIMITS.batchMs)
    const next = [...this.#later.values()].reduce((least, wait) => Math.min(least, this.#waitMs(wait)), Infinity)
    if (next < Infinity) this.#within(next)
  }

  /** Full jitter below a bound that doubles: a thousand nodes that lost the gateway together do not come back together. */
  #pause(tries: number): number {
    const { first, last, least } = RECEIPT_LIMITS.retryMs
    const bound = Math.min(last, first * 2 ** Math.min(tries - 1, 20))
    return Math.max(least, Math.floor(this.#needs.random() * bound))
  }

  /** One request. @returns whether it was answered */
  #run(): Promise<boolean> {
    return (this.#round ??= this.#hand().finally(() => (this.#round = null)))
  }

  async #hand(): Promise<boolean> {
    const { store, send } = this.#needs
    const isDue = (jti: string) => this.#waitMs(this.#later.get(jti) ?? { dueAt: 0 }) === 0
    const receipts = await store.next(this.#batch, isDue)
    // Due and not to be had: they cannot be read from the disk now.
    if (receipts.length === 0) return false
    if (this.#isOver) return false
    this.#request = new AbortController()
    const answers = await send(receipts, this.#request.signal).catch((cause: unknown) =>
      this.#unanswered(receipts, cause),
    )
    if (answers === null) return false
    if (answers.length > 0) this.#answered()
    await this.#settle(receipts, answers)
    return true
  }

  /** @returns answers all the same where the batch itself was refused; null: nobody answered */
  #unanswered(receipts: readonly Kept[], cause: unknown): readonly ReceiptAnswer[] | null {
    if (cause instanceof SoukError && BATCH_REFUSALS.has(cause.code)) {
      // One of them spoils the batch: smaller ones find it, and it must not keep the others back.
      if (receipts.length === 1) return [{ outcome: 'refused', code: 'bad_receipt' }]
      this.#batch = Math.ceil(receipts.length / 2)
      return []
    }
    this.#failures += 1
    const code = cause instanceof SoukError ? cause.code : this.#isOver ? 'stopped' : 'unreachable'
    this.#needs.metrics.requestFailed(code)
    if (this.#failures === 1 && !this.#isOver) {
      const reason = 'The gateway does not take receipts now: they are kept and handed in when it does.'
      this.#needs.log('warn', 'receipts_not_handed_in', { code, waiting: this.#needs.store.waitingCount, reason })
    }
    return null
  }

  #answered(): void {
    if (this.#failures > 0) this.#needs.log('info', 'receipts_handed_in_again')
    this.#failures = 0
    this.#batch = Math.min(this.#batch * 2, RECEIPT_LIMITS.batch)
  }

  async #settle(receipts: readonly Kept[], answers: readonly ReceiptAnswer[]): Promise<void> {
    const { store, history, metrics, log, now } = this.#needs
    const taken = receipts.filter((_, index) => answers[index]?.outcome === 'taken')
    const refused = receipts.flatMap((receipt, index) => {
      const answer = answers[index]
      return answer?.outcome === 'refused' ? [{ receipt, code: this.#verdict(receipt, answer.code) }] : []
    })
    const rejected = refused.filter(({ code }) => code !== 'unavailable')
    // Noted first: a crash in between notes a receipt twice, and forgets none.
    await history.add([
      ...taken.flatMap((receipt) => ownOf(receipt, 'taken') ?? []),
      ...rejected.flatMap(({ receipt, code }) => ownOf(receipt, code) ?? []),
    ])
    for (const { jti } of taken) this.#later.delete(jti)
    store.acknowledge(taken.map(({ jti }) => jti))
    metrics.handedIn(taken.length)
    for (const { receipt, code } of refused) {
      const isSetAside = code !== 'unavailable' && (await store.reject(receipt, code))
      if (isSetAside) {
        this.#later.delete(receipt.jti)
        metrics.rejected(code)
        continue
      }
      const tries = (this.#later.get(receipt.jti)?.tries ?? 0) + 1
      this.#later.set(receipt.jti, { tries, dueAt: now() + this.#pause(tries) })
    }
    const codes = [...new Set(rejected.map(({ code }) => code))].join(', ')
    const reason = 'The gateway refused receipts for good: they are kept in rejected.log and not sent again.'
    if (codes !== '') log('warn', 'receipts_rejected', { count: rejected.length, codes, reason })
  }

  /** Too old to be of use only when the gateway was asked and could not take it: a wrong clock alone gives nothing up. */
  #verdict({ at }: Kept, code: string): string {
    return code === 'unavailable' && this.#needs.now() - at > RECEIPT_LIMITS.usefulMs ? 'expired' : code
  }
}

// The ledger of one account: every method is one transaction over the guard's storage, decided by rules, and may be repeated with the same
// id. What leaves the account (credits, the projection, events) leaves in `tick`, the alarm's work, which every method re-arms: alarms can be
// lost, money cannot. It knows storage only by its port, so that the Durable Object and the simulator run the same.
import { instant, type AccountId, type CallId, type Instant, type KeyId } from '../../../protocol/units.ts'
import { logError } from '../../core/errors.ts'
import type { AccountPort, Alerts, CallEnd, DataPolicy, HoldRequest, LateReceipt, Progress } from '../account-port.ts'
import { refused } from '../calls/admit.ts'
import { capture, expire, hold, progress, recordedCall } from '../calls/call-flow.ts'
import { readAlerts, setAlerts } from '../events/event-flow.ts'
import { freeze, unfreeze } from '../policy/freeze-flow.ts'
import { migrateGuard } from './guard-schema.ts'
import type { GuardStorage } from './guard-storage.ts'
import type { IdempotentRequest, Recall } from '../idempotency/idempotency-port.ts'
import { beginPost, endPost, recall } from '../idempotency/idempotency-flow.ts'
import {
  accountLimits,
  createKey,
  inspectKey,
  listKeys,
  rerollKey,
  revokeAllKeys,
  revokeKey,
  setLimits,
  showKey,
} from '../keys/key-flow.ts'
import type { CreateKey, Limits, Reroll } from '../limits/limit-port.ts'
import { LEDGER } from '../limits/limits.ts'
import { moneyView, payAudit, refund, reinstate, returnWithdrawal, takeBack, withdraw } from './money-flow.ts'
import { readPolicy, setPolicy } from '../policy/policy-flow.ts'
import { projectLines, sendCredits, sendEvents, type OutboxNeeds } from './outbox.ts'
import { journalHead, recordReceipt } from '../calls/record-flow.ts'
import { selfCheck } from '../verification/self-check.ts'
import type { BookStand } from '../verification/self-check-port.ts'
import { balanceNow, openStores, type Stores } from './stores.ts'
import { credit, grant } from './transfer-flow.ts'
import type {
  AuditPay,
  Credit,
  Freeze,
  GrantRequest,
  RefundRequest,
  ReinstateRequest,
  ReturnRequest,
  TakeBackRequest,
  WithdrawRequest,
} from '../transfer-port.ts'

export class Account implements AccountPort {
  readonly #stores: Stores

  constructor(
    readonly storage: GuardStorage,
    /** replaced by tests, which move the clock and lose answers */
    public needs: OutboxNeeds,
  ) {
    migrateGuard(storage)
    this.#stores = openStores(storage.sql)
  }

  open(accountId: AccountId, book = 0) {
    return this.#do(({ account }) => {
      const owner = account.read()
      if (!owner) account.open(accountId, book)
      return !owner || owner.id === accountId ? ({ ok: true } as const) : refused('conflict')
    })
  }

  hold(request: HoldRequest) {
    this.#endOverdue()
    return this.#do((stores, now) => hold(stores, request, now))
  }

  progress(report: Progress) {
    return this.#do((stores) => progress(stores, report))
  }

  capture(end: CallEnd) {
    return this.#do((stores, now) => capture(stores, end, now))
  }

  recall(request: Recall) {
    this.#endOverdue()
    return this.#do((stores, now) => recall(stores, request, now))
  }

  begin(request: IdempotentRequest) {
    return this.#do((stores, now) => beginPost(stores, request, now))
  }

  answered(id: string, answer: Parameters<AccountPort['answered']>[1]) {
    return this.#do((stores, now) => endPost(stores, id, answer, now))
  }

  grant(request: GrantRequest) {
    return this.#do((stores, now) => grant(stores, request, now))
  }

  refund(request: RefundRequest) {
    return this.#do((stores, now) => refund(stores, request, now))
  }

  takeBack(request: TakeBackRequest) {
    return this.#do((stores, now) => takeBack(stores, request, now))
  }

  reinstate(request: ReinstateRequest) {
    return this.#do((stores, now) => reinstate(stores, request, now))
  }

  withdraw(request: WithdrawRequest) {
    return this.#do((stores, now) => withdraw(stores, request, now))
  }

  returnWithdrawal(request: ReturnRequest) {
    return this.#do((stores, now) => returnWithdrawal(stores, request, now))
  }

  payAudit(request: AuditPay) {
    return this.#do((stores, now) => payAudit(stores, request, now))
  }

  money() {
    return this.#do(moneyView)
  }

  credit(received: Credit) {
    return this.#do((stores, now) => credit(stores, received, now))
  }

  freeze(request: Freeze) {
    return this.#do((stores, now) => freeze(stores, request, now))
  }

  unfreeze(reason: string, by: AccountId, only?: Freeze['cause'], seen?: Freeze['seen']) {
    return this.#do((stores, now) => unfreeze(stores, { reason, by, only, seen }, now))
  }

  frozen() {
    return this.#do(({ account }) => account.read()?.frozen ?? null)
  }

  createKey(key: CreateKey) {
    return this.#do((stores, now) => createKey(stores, key, now))
  }

  listKeys(cursor: string | null, rows: number) {
    return this.#do((stores, now) => listKeys(stores, cursor, rows, now))
  }

  showKey(keyId: KeyId) {
    return this.#do((stores, now) => showKey(stores, keyId, now))
  }

  revokeKey(keyId: KeyId) {
    return this.#do((stores, now) => revokeKey(stores, keyId, now))
  }

  revokeAllKeys() {
    return this.#do((stores, now) => revokeAllKeys(stores, now))
  }

  rerollKey(reroll: Reroll) {
    return this.#do((stores, now) => rerollKey(stores, reroll, now))
  }

  inspectKey(keyId: KeyId, secretHash: string) {
    return this.#do((stores, now) => inspectKey(stores, keyId, secretHash, now))
  }

  setLimits(limits: Limits, version?: number) {
    return this.#do((stores, now) => setLimits(stores, limits, version ?? null, now))
  }

  limits() {
    return this.#do((stores, now) => accountLimits(stores, now))
  }

  balance() {
    return this.#do(balanceNow)
  }

  alerts() {
    return this.#do(readAlerts)
  }

  setAlerts(alerts: Alerts) {
    return this.#do((stores, now) => setAlerts(stores, alerts, now))
  }

  policy() {
    return this.#do(readPolicy)
  }

  setPolicy(policy: DataPolicy) {
    return this.#do((stores) => setPolicy(stores, policy))
  }

  call(callId: CallId) {
    return this.#do((stores) => recordedCall(stores, callId))
  }

  lateReceipt(receipt: LateReceipt) {
    return this.#do((stores, now) => recordReceipt(stores, receipt, now))
  }

  head() {
    return this.#do(journalHead)
  }

  lines(afterSeq: number, rows: number) {
    return this.#do(({ lines }) => lines.after(afterSeq, Math.min(Math.max(rows, 1), LEDGER.linesMax)))
  }

  journal(afterSeq: number, withProofs: boolean) {
    return this.#do(({ lines }) => lines.page(afterSeq, LEDGER.journalRows, LEDGER.journalChars, withProofs))
  }

  selfCheck(from: 'last' | 'first', stand?: BookStand) {
    // An alarm that is late is no breach; a hold that cannot be ended is.
    this.#endOverdue()
    return this.#do((stores, now) => selfCheck(stores, from, stand ?? null, now))
  }

  reproject() {
    return this.#do(({ account }, now) => account.setProjected(0, now))
  }

  /** Ends first, by itself and whatever happens to the rest; then the ways out, side by side. Never throws. */
  async tick() {
    let isMoreOld = false
    const done = [
      this.#endOverdue(),
      await this.#try(async () => this.#purge()),
      await this.#try(async () => void (isMoreOld = this.#clearDetails())),
      ...(await Promise.all([
        this.#try(() => sendCredits(this.#stores, this.needs)),
        this.#try(() => projectLines(this.#stores, this.needs)),
        this.#try(() => sendEvents(this.#stores, this.needs)),
      ])),
    ]
    const pauseMs = done.includes(false) ? LEDGER.alarmTroubleMs : 0
    const now = this.needs.clock()
    const moreAt = isMoreOld ? instant(now + LEDGER.purgeMoreMs) : null
    await this.#try(() => this.arm(instant(now + pauseMs), moreAt))
  }

  /** Sets the alarm to the next thing to do. Set, never compared: storage says what is next, and the same time again costs nothing. */
  async arm(notBefore?: Instant, moreAt: Instant | null = null): Promise<void> {
    const next = Math.min(this.#stores.due.nextAt() ?? Number.POSITIVE_INFINITY, moreAt ?? Number.POSITIVE_INFINITY)
    if (Number.isFinite(next)) await this.storage.setAlarm(Math.max(next, notBefore ?? 0))
  }

  async #do<T>(work: (stores: Stores, now: Instant) => T): Promise<T> {
    try {
      return this.storage.transactionSync(() => work(this.#stores, this.needs.clock()))
    } finally {
      await this.arm()
    }
  }

  /** What explains and proves calls of long ago; the lines stay. The daily tick comes to idle guards too. @returns whether there is more */
  #clearDetails(): boolean {
    const before = instant(this.needs.clock() - LEDGER.detailKeptMs)
    const cleared = this.storage.transactionSync(() => this.#stores.holds.purge(before, LEDGER.purgeCallsMax))
    return cleared === LEDGER.purgeCallsMax
  }

  /** Each in its own transaction: one that cannot be ended does not lock up the others. */
  #endOverdue(): boolean {
    const now = this.needs.clock()
    let isWhole = true
    for (const callId of this.#stores.holds.overdue(now, LEDGER.overdueMax)) {
      try {
        this.storage.transactionSync(() => expire(this.#stores, callId, now))
      } catch (error) {
        logError(error, null)
        isWhole = false
      }
    }
    return isWhole
  }

  /** What is left over re-arms the alarm at once. */
  #purge(): void {
    this.storage.transactionSync(() => this.#stores.idempotency.purge(this.needs.clock(), LEDGER.purgeMax))
  }

  async #try(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      logError(error, null)
      return false
    }
  }
}

// The one writer of an account's money: balance, keys, holds and journal live in this object's SQLite and nowhere else. Every method is one
// transaction over storage, decided by rules, and may be repeated with the same id. What leaves the guard (credits, the projection) leaves
// in the alarm, which every method and the constructor re-arm: alarms can be lost, money cannot.
import { DurableObject } from 'cloudflare:workers'
import { nanos, instant, type AccountId, type CallId, type Instant, type KeyId } from '../../protocol/units.ts'
import { systemClock } from '../core/clock.ts'
import type { Bindings } from '../core/env.ts'
import { logError } from '../core/errors.ts'
import type { AccountPort, CallEnd, Credit, CreateKey, GrantRequest, HoldRequest, Progress } from './account-port.ts'
import { balanceOf } from './account-store.ts'
import { createAccounts } from './accounts.ts'
import { refused } from './admit.ts'
import { createBook } from './book.ts'
import { capture, expire, hold, progress, recordedCall } from './call-flow.ts'
import { migrateGuard } from './guard-schema.ts'
import { createKey, inspectKey, listKeys, revokeKey } from './key-flow.ts'
import { LEDGER } from './limits.ts'
import { projectLines, sendCredits, type OutboxNeeds } from './outbox.ts'
import { openStores, type Stores } from './stores.ts'
import { credit, grant } from './transfer-flow.ts'

export class AccountGuard extends DurableObject<Bindings> implements AccountPort {
  /** The runtime constructs guards with `env` alone; tests put their clock, payees and book here. */
  needs: OutboxNeeds
  readonly #stores: Stores

  constructor(ctx: DurableObjectState, env: Bindings) {
    super(ctx, env)
    migrateGuard(ctx.storage)
    this.#stores = openStores(ctx.storage.sql)
    this.needs = { clock: systemClock, accounts: createAccounts(env.ACCOUNT), book: createBook(env.BOOK_0) }
    void ctx.blockConcurrencyWhile(() => this.#arm())
  }

  async open(accountId: AccountId) {
    return this.#do(({ account }) => {
      const owner = account.read()
      if (!owner) account.open(accountId)
      return !owner || owner.id === accountId ? ({ ok: true } as const) : refused('conflict')
    })
  }

  async hold(request: HoldRequest) {
    this.#endOverdue()
    return this.#do((stores, now) => hold(stores, request, now))
  }

  async progress(report: Progress) {
    return this.#do((stores) => progress(stores, report))
  }

  async capture(end: CallEnd) {
    return this.#do((stores, now) => capture(stores, end, now))
  }

  async grant(request: GrantRequest) {
    return this.#do((stores, now) => grant(stores, request, now))
  }

  async credit(received: Credit) {
    return this.#do((stores, now) => credit(stores, received, now))
  }

  async createKey(key: CreateKey) {
    return this.#do((stores, now) => createKey(stores, key, now))
  }

  async listKeys(cursor: string | null, rows: number) {
    return this.#do((stores, now) => listKeys(stores, cursor, rows, now))
  }

  async revokeKey(keyId: KeyId) {
    return this.#do((stores, now) => revokeKey(stores, keyId, now))
  }

  async inspectKey(keyId: KeyId, secretHash: string) {
    return this.#do((stores, now) => inspectKey(stores, keyId, secretHash, now))
  }

  async balance() {
    return this.#do(({ account }) => {
      const state = account.read()
      return state ? balanceOf(state) : { availableNanos: nanos(0n), heldNanos: nanos(0n) }
    })
  }

  async call(callId: CallId) {
    return this.#do((stores) => recordedCall(stores, callId))
  }

  /** Ends first, by itself and whatever happens to the rest; then the two ways out, side by side. Never throws. */
  async tick() {
    const done = [
      this.#endOverdue(),
      ...(await Promise.all([
        this.#try(() => sendCredits(this.#stores, this.needs)),
        this.#try(() => projectLines(this.#stores, this.needs)),
      ])),
    ]
    const pauseMs = done.includes(false) ? LEDGER.alarmTroubleMs : 0
    await this.#try(() => this.#arm(instant(this.needs.clock() + pauseMs)))
  }

  override async alarm() {
    await this.tick()
  }

  async #do<T>(work: (stores: Stores, now: Instant) => T): Promise<T> {
    try {
      return this.ctx.storage.transactionSync(() => work(this.#stores, this.needs.clock()))
    } finally {
      await this.#arm()
    }
  }

  /** Each in its own transaction: one that cannot be ended does not lock up the others. */
  #endOverdue(): boolean {
    const now = this.needs.clock()
    let isWhole = true
    for (const callId of this.#stores.holds.overdue(now, LEDGER.overdueMax)) {
      try {
        this.ctx.storage.transactionSync(() => expire(this.#stores, callId, now))
      } catch (error) {
        logError(error, null)
        isWhole = false
      }
    }
    return isWhole
  }

  /** Sets the alarm to the next thing to do. Set, never compared: storage says what is next, and the same time again costs nothing. */
  async #arm(notBefore?: Instant): Promise<void> {
    const { holds, credits, account } = this.#stores
    const due = [holds.nextDeadline(), credits.nextAt(), account.projection()?.nextAt ?? null]
    const next = Math.min(...due.map((at) => at ?? Number.POSITIVE_INFINITY))
    if (Number.isFinite(next)) await this.ctx.storage.setAlarm(Math.max(next, notBefore ?? 0))
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

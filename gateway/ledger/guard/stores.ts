// All tables of one guard, and the one way a line comes into its journal: line, balance, head of the chain and what is owed to others
// change together or not at all (the guard runs every method in one transaction).
import { chainLine, type JournalLine, type LineDraft } from '../../../protocol/journal.ts'
import { instant, isHouse, nanos, type Instant } from '../../../protocol/units.ts'
import { assert } from '../../core/errors.ts'
import type { Balance } from '../account-port.ts'
import { balanceOf, createAccountStore, type AccountState } from './account-store.ts'
import { createCheckStore } from '../verification/check-store.ts'
import { createCreditStore, createMarkStore } from './credit-store.ts'
import { earnedAfter } from '../payouts/earned.ts'
import { tellOfLine } from '../events/event-flow.ts'
import { createDueStore } from './due-store.ts'
import { createEventStore } from '../events/event-store.ts'
import type { GuardSql } from './guard-storage.ts'
import { createHoldStore } from '../calls/hold-store.ts'
import { createIdempotencyStore } from '../idempotency/idempotency-store.ts'
import { createKeyStore } from '../keys/key-store.ts'
import { createLimitStore } from '../limits/limit-store.ts'
import { LEDGER } from '../limits/limits.ts'
import { createLineStore } from './line-store.ts'
import { createRefundStore } from '../refunds/refund-store.ts'
import { earningsOf } from '../calls/split.ts'
import { createVestingStore } from './vesting-store.ts'

export type Stores = ReturnType<typeof openStores>

export const openStores = (sql: GuardSql) => ({
  account: createAccountStore(sql),
  keys: createKeyStore(sql),
  limits: createLimitStore(sql),
  holds: createHoldStore(sql),
  lines: createLineStore(sql),
  credits: createCreditStore(sql),
  marks: createMarkStore(sql),
  vesting: createVestingStore(sql),
  refunds: createRefundStore(sql),
  idempotency: createIdempotencyStore(sql),
  events: createEventStore(sql),
  checks: createCheckStore(sql),
  due: createDueStore(sql),
})

/** What the account can spend now. */
export const balanceAt = (stores: Stores, account: AccountState, now: Instant): Balance =>
  balanceOf(account, stores.vesting.sum(now))

/** The same; of a guard that was never opened, nothing. */
export function balanceNow(stores: Stores, now: Instant): Balance {
  const account = stores.account.read()
  const none = nanos(0n)
  return account ? balanceAt(stores, account, now) : { availableNanos: none, heldNanos: none, vestingNanos: none }
}

/** The same after a line: as it stands in storage now. */
export function currentBalance(stores: Stores, now: Instant): Balance {
  const account = stores.account.read()
  assert(account, 'the guard is open')
  return balanceAt(stores, account, now)
}

/** @param account as it stands now, or with what else of its money this line changes: both are written. The caller is inside a transaction */
export function writeLine(stores: Stores, account: AccountState, draft: LineDraft): JournalLine {
  // Clocks can go back, a journal's time cannot: a month is then a run of lines (protocol/statement.ts).
  const at = instant(Math.max(draft.at, stores.lines.lastAt()))
  const { line, chained } = chainLine({ ...draft, at }, account.id, account.seq + 1, account.lastHash)
  const balanceNanos = nanos(account.balanceNanos + line.deltaNanos)
  assert(balanceNanos >= account.heldNanos, 'a balance never falls below what is held')
  const carryOnAt = instant(draft.at + LEDGER.alarmMs)
  stores.lines.insert(chained, draft.transferId)
  const earnedNanos = earnedAfter(account.earnedNanos, line, balanceNanos)
  const { heldNanos } = account
  stores.account.setHead({ balanceNanos, heldNanos, earnedNanos, seq: line.seq, lastHash: chained.hash }, carryOnAt)
  for (const earning of earningsOf(draft.legs))
    // What an account earns by its own call has moved within it already.
    if (earning.payee !== account.id && !isHouse(earning.payee)) stores.credits.gather(earning, line.seq, carryOnAt)
  tellOfLine(stores, account, line)
  return line
}

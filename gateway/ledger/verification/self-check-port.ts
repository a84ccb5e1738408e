// What a guard is asked and says when it checks itself: findings, each with a name of its own, and how far everything stands.
import type { AccountId, Instant, Nanos } from '../../../protocol/units.ts'
import type { Frozen } from '../transfer-port.ts'

export type BreachKind = 'chain' | 'balance' | 'holds' | 'overdue' | 'book' | 'conservation' | 'lag'

/** The same finding has the same kind and place, however often it is found. */
export interface Breach {
  readonly kind: BreachKind
  /** seq, call or other id: where; '' for the whole account */
  readonly at: string
  /** a sentence */
  readonly detail: string
}

/** What the book says of an account, for its guard to compare: the guard alone can do it without the two moving apart meanwhile. */
export interface BookStand {
  /** which book was read */
  readonly book: number
  /** hashes by seq: of its last line, and of others that were looked at */
  readonly points: readonly { readonly seq: number; readonly hash: string }[]
  /** sum of all its deltas up to the first point, null when it was not added up */
  readonly balanceNanos: bigint | null
}

export interface JournalHead {
  readonly accountId: AccountId
  readonly seq: number
  /** GENESIS_HASH before the first line */
  readonly hash: string
  readonly balanceNanos: Nanos
}

/** What the guard finds when it checks itself. No breach: everything held. */
export interface SelfCheck {
  readonly head: JournalHead
  readonly breaches: readonly Breach[]
  /** lines the book does not have yet */
  readonly lag: number
  /** ms of the oldest of them; null without any */
  readonly lagSince: Instant | null
  /** seq up to which lines were checked; the next check goes on there */
  readonly checkedSeq: number
  /** index of the book it writes to */
  readonly book: number
  /** owed to payees who have not acknowledged it */
  readonly underWayNanos: Nanos
  /** ms of the oldest line of it; null when nothing is under way */
  readonly underWaySince: Instant | null
  readonly frozen: Frozen | null
}

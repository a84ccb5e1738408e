// Which changes an account's owner is told of, as a rule over before and after: a balance that fell below the owner's threshold, a budget
// that passed four fifths. Each is told once per crossing: a balance that dances around its threshold is one story, not a hundred.
import { nanos, toUsd, type Instant, type Nanos } from '../../../protocol/units.ts'
import type { AccountEvent } from './event-store.ts'
import { currentSpending, periodEnd } from '../limits/budget-period.ts'
import { periodOf, type Use } from '../limits/limit-use.ts'
import type { LimitSubject } from '../limits/limit-store.ts'

export interface BalanceAlert {
  /** 0: never */
  readonly thresholdNanos: Nanos
  /** since when the balance counts as low; null while it does not */
  readonly lowSince: Instant | null
}

/** A low balance counts as recovered from a tenth above the threshold on. */
const recoveredFrom = (threshold: Nanos): bigint => threshold + threshold / 10n

/**
 * What a change of the balance does to the alert. Only a fall across the threshold tells; who never had as much is not told.
 * @param before what is the account's own and vested, open holds included; the same after
 * @example judgeBalance({ thresholdNanos: 100n, lowSince: null }, 100n, 99n, now) // { tell: true, lowSince: now }
 */
export function judgeBalance(
  { thresholdNanos, lowSince }: BalanceAlert,
  before: Nanos,
  after: Nanos,
  now: Instant,
): { readonly tell: boolean; readonly lowSince: Instant | null } {
  const isRecovered = (balance: Nanos) => balance >= recoveredFrom(thresholdNanos)
  const stillLowSince = lowSince !== null && !isRecovered(before) ? lowSince : null
  if (after < thresholdNanos && before >= thresholdNanos && stillLowSince === null) return { tell: true, lowSince: now }
  return { tell: false, lowSince: isRecovered(after) ? null : stillLowSince }
}

/** A new threshold tells nothing by itself: a balance that is below it counts as low, without a word. */
export const alertWith = (thresholdNanos: Nanos, balance: Nanos, now: Instant): BalanceAlert => ({
  thresholdNanos,
  lowSince: balance < thresholdNanos ? now : null,
})

/** Whether this charge takes the budget to four fifths of its limit or beyond, from below. What is held does not count. */
export function isBudgetReached(use: Use, charge: Nanos, now: Instant): boolean {
  if (!use.limit) return false
  const { spentNanos } = currentSpending(periodOf(use), use, now)
  const isReached = (spent: bigint, limit: bigint) => spent * 5n >= limit * 4n
  return !isReached(spentNanos, use.limit.nanos) && isReached(spentNanos + charge, use.limit.nanos)
}

export const balanceEvent = (
  seq: number,
  threshold: Nanos,
  balance: Nanos,
  held: Nanos,
  at: Instant,
): AccountEvent => ({
  id: `balance-low:${seq}`,
  kind: 'balance.low',
  at,
  data: { threshold: toUsd(threshold), balance: toUsd(balance), held: toUsd(held), seq },
})

/** One id per subject, period and limit: a limit that is raised begins anew. Null for what has no limit. */
export function budgetEvent(
  subject: LimitSubject,
  keyName: string | null,
  use: Use,
  charge: Nanos,
  at: Instant,
): AccountEvent | null {
  if (!use.limit) return null
  const { period, nanos: limit, shadow } = use.limit
  const { spentNanos, spentSince } = currentSpending(period, use, at)
  const resetsAt = periodEnd(period, at)
  return {
    id: `budget:${subject}:${period}:${spentSince}:${limit}`,
    kind: 'budget.reached',
    at,
    data: {
      keyId: subject === 'account' ? null : subject,
      keyName,
      limit: toUsd(limit),
      spent: toUsd(nanos(spentNanos + charge)),
      period,
      resetsAt: resetsAt === null ? null : new Date(resetsAt).toISOString(),
      // A shadow counts and refuses nothing, so its owner need not hurry.
      shadow,
    },
  }
}

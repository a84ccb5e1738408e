// Budgets of keys by period. All periods are UTC: a day starts at midnight, a week on Monday, a month on the first.
import type { BudgetPeriod } from '../../protocol/auth.ts'
import { instant, nanos, type Instant, type Nanos } from '../../protocol/units.ts'

const DAY_MS = 86_400_000

export interface Spending {
  /** charged since {@link spentSince} */
  readonly spentNanos: Nanos
  /** start of the period the sum belongs to */
  readonly spentSince: Instant
}

/** @example periodStart('week', 2026-11-21T10:00Z) // 2026-11-16T00:00Z, a Monday */
export function periodStart(period: BudgetPeriod, now: Instant): Instant {
  const day = Math.floor(now / DAY_MS)
  const date = new Date(now)
  switch (period) {
    case 'day':
      return instant(day * DAY_MS)
    case 'week':
      // Day 0 of the epoch was a Thursday, so day -3 was a Monday.
      return instant((Math.floor((day + 3) / 7) * 7 - 3) * DAY_MS)
    case 'month':
      return instant(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1))
    case 'total':
      return instant(0)
    default:
      return period satisfies never
  }
}

/** When the budget is whole again; null for one that never is. */
export function periodEnd(period: BudgetPeriod, now: Instant): Instant | null {
  const start = periodStart(period, now)
  switch (period) {
    case 'day':
      return instant(start + DAY_MS)
    case 'week':
      return instant(start + 7 * DAY_MS)
    case 'month':
      return instant(Date.UTC(new Date(start).getUTCFullYear(), new Date(start).getUTCMonth() + 1, 1))
    case 'total':
      return null
    default:
      return period satisfies never
  }
}

/** What counts against the budget now. A clock that went back never gives a budget twice: the later period stands. */
export function currentSpending(period: BudgetPeriod, spending: Spending, now: Instant): Spending {
  const start = periodStart(period, now)
  return start > spending.spentSince ? { spentNanos: nanos(0n), spentSince: start } : spending
}

/** A charge counts in the period in which it is taken. */
export function addSpending(period: BudgetPeriod, spending: Spending, charge: Nanos, now: Instant): Spending {
  const current = currentSpending(period, spending, now)
  return { ...current, spentNanos: nanos(current.spentNanos + charge) }
}

// Budgets of keys by period. All periods are UTC: a day starts at midnight, a week on Monday, a month on the first.
import type { BudgetPeriod } from '../../../protocol/auth.ts'
import { instant, nanos, type Instant, type Nanos } from '../../../protocol/units.ts'

const DAY_MS = 86_400_000

/** Charges are summed for every period, not only for that of the limit: a limit that is set or changed later counts what was spent before. */
export interface Spending {
  /** each the sum of its own period, the one that {@link spentAt} lies in */
  readonly spent: Readonly<Record<BudgetPeriod, Nanos>>
  /** of the last charge */
  readonly spentAt: Instant
}

export const NOTHING_SPENT: Spending = {
  spent: { day: nanos(0n), week: nanos(0n), month: nanos(0n), total: nanos(0n) },
  spentAt: instant(0),
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

/** What counts against a budget of this period now. A clock that went back never gives a budget twice: the later period stands. */
export function currentSpending(
  period: BudgetPeriod,
  { spent, spentAt }: Spending,
  now: Instant,
): { readonly spentNanos: Nanos; readonly spentSince: Instant } {
  const spentSince = periodStart(period, later(now, spentAt))
  return { spentNanos: spentAt >= spentSince ? spent[period] : nanos(0n), spentSince }
}

/** A charge counts in the periods in which it is taken. */
export function addSpending(spending: Spending, charge: Nanos, now: Instant): Spending {
  const sum = (period: BudgetPeriod) => nanos(currentSpending(period, spending, now).spentNanos + charge)
  return {
    spent: { day: sum('day'), week: sum('week'), month: sum('month'), total: sum('total') },
    spentAt: later(now, spending.spentAt),
  }
}

const later = (a: Instant, b: Instant): Instant => (a > b ? a : b)

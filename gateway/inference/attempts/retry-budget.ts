// How many further attempts may be made (rule). When a whole market stumbles, every call that is tried four times makes it worse: further attempts
// are at most a fifth of the calls of late, with a floor and a reserve, so that a single caller's call always fails over. Each account has a budget
// of its own beside the isolate's, so that who has failing nodes asked on purpose takes nobody else's fail-over away.
import type { AccountId, Instant } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'

export interface RetryLimits {
  /** further attempts each call earns */
  readonly perCall: number
  /** and each second: what little traffic needs */
  readonly perSecond: number
  /** what is saved at most, and there at the start: the first moments of an outage, before its node is left alone */
  readonly reserve: number
}

/** Of one account in one isolate. 20 % */
export const RETRY_BUDGET: RetryLimits = { perCall: 0.2, perSecond: 10, reserve: 100 }
/** Of one isolate: ten accounts in trouble at the same time. */
export const ISOLATE_BUDGET: RetryLimits = { perCall: 0.2, perSecond: 100, reserve: 1_000 }
/** accounts whose budgets an isolate remembers; the one it knows longest leaves first, and begins anew */
const ACCOUNTS_MAX = 10_000

export interface RetryBudget {
  readonly saved: number
  readonly at: Instant
}

export const newRetryBudget = (now: Instant, { reserve }: RetryLimits = RETRY_BUDGET): RetryBudget => ({
  saved: reserve,
  at: now,
})

/** With what time has brought since. */
export function refilled({ saved, at }: RetryBudget, now: Instant, limits: RetryLimits = RETRY_BUDGET): RetryBudget {
  const earned = (Math.max(0, now - at) / 1_000) * limits.perSecond
  return { saved: Math.min(limits.reserve, saved + earned), at: now > at ? now : at }
}

export function afterCall(budget: RetryBudget, now: Instant, limits: RetryLimits = RETRY_BUDGET): RetryBudget {
  const { saved, at } = refilled(budget, now, limits)
  return { saved: Math.min(limits.reserve, saved + limits.perCall), at }
}

export const mayRetry = (budget: RetryBudget, now: Instant, limits: RetryLimits = RETRY_BUDGET): boolean =>
  refilled(budget, now, limits).saved >= 1

/** Two that asked at the same moment may both go: the debt is then paid back first. */
export function afterRetry(budget: RetryBudget, now: Instant, limits: RetryLimits = RETRY_BUDGET): RetryBudget {
  const { saved, at } = refilled(budget, now, limits)
  return { saved: saved - 1, at }
}

/** As one account's calls see it. */
export interface Retries {
  noteCall(): void
  mayRetry(): boolean
  noteRetry(): void
}

export type RetriesOf = (account: AccountId) => Retries

/** The budgets of one isolate. */
export function createRetries(clock: Clock): RetriesOf {
  let ofAll = newRetryBudget(clock(), ISOLATE_BUDGET)
  const accounts = new Map<AccountId, RetryBudget>()
  return (account) => {
    const own = () => accounts.get(account) ?? newRetryBudget(clock())
    const keep = (budget: RetryBudget) => {
      accounts.set(account, budget)
      if (accounts.size <= ACCOUNTS_MAX) return
      for (const oldest of accounts.keys()) return void accounts.delete(oldest)
    }
    return {
      noteCall() {
        ofAll = afterCall(ofAll, clock(), ISOLATE_BUDGET)
        keep(afterCall(own(), clock()))
      },
      mayRetry: () => mayRetry(own(), clock()) && mayRetry(ofAll, clock(), ISOLATE_BUDGET),
      noteRetry() {
        ofAll = afterRetry(ofAll, clock(), ISOLATE_BUDGET)
        keep(afterRetry(own(), clock()))
      },
    }
  }
}

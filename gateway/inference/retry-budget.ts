// How many further attempts this isolate may make (rule). When a whole market stumbles, every call that is tried four times makes it worse:
// further attempts are at most a fifth of the calls of late, with a floor and a reserve, so that a single caller's call always fails over.
import type { Clock } from '../core/clock.ts'
import type { Instant } from '../../protocol/units.ts'

export const RETRY_BUDGET = {
  /** further attempts each call earns: 20 % */
  perCall: 0.2,
  /** and each second: what an isolate with little traffic needs */
  perSecond: 10,
  /** what is saved at most, and there at the start: the first moments of an outage, before its node is left alone */
  reserve: 100,
} as const

export interface RetryBudget {
  readonly saved: number
  readonly at: Instant
}

export const newRetryBudget = (now: Instant): RetryBudget => ({ saved: RETRY_BUDGET.reserve, at: now })

/** With what time has brought since. */
export function refilled({ saved, at }: RetryBudget, now: Instant): RetryBudget {
  const earned = (Math.max(0, now - at) / 1_000) * RETRY_BUDGET.perSecond
  return { saved: Math.min(RETRY_BUDGET.reserve, saved + earned), at: now > at ? now : at }
}

export function afterCall(budget: RetryBudget, now: Instant): RetryBudget {
  const { saved, at } = refilled(budget, now)
  return { saved: Math.min(RETRY_BUDGET.reserve, saved + RETRY_BUDGET.perCall), at }
}

export const mayRetry = (budget: RetryBudget, now: Instant): boolean => refilled(budget, now).saved >= 1

/** Two that asked at the same moment may both go: the debt is then paid back first. */
export function afterRetry(budget: RetryBudget, now: Instant): RetryBudget {
  const { saved, at } = refilled(budget, now)
  return { saved: saved - 1, at }
}

/** The budget of one isolate. */
export interface Retries {
  noteCall(): void
  mayRetry(): boolean
  noteRetry(): void
}

export function createRetries(clock: Clock): Retries {
  let budget = newRetryBudget(clock())
  return {
    noteCall: () => void (budget = afterCall(budget, clock())),
    mayRetry: () => mayRetry(budget, clock()),
    noteRetry: () => void (budget = afterRetry(budget, clock())),
  }
}

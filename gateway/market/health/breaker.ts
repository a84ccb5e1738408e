// The breaker of one offer (rule): stops asking a node that fails, tries it again after a while, and waits longer each time it fails again.
// It counts only what is the node's own fault; the caller of this rule decides that. Time is an argument.
import { instant, type Instant } from '../../../protocol/units.ts'

export const BREAKER = {
  /** failures in a row that open it */
  consecutiveMax: 3,
  /** last attempts that the error ratio looks at */
  recentMax: 50,
  /** fewest attempts for a ratio to mean something */
  recentMin: 20,
  /** it opens above this share of failures */
  errorRatio: 0.5,
  /** ms it stays open the first time, and the longest */
  openMs: 10_000,
  openMsMax: 300_000,
} as const

export interface Breaker {
  readonly phase: 'closed' | 'open'
  /** until when it stays open; null when closed. Afterwards it is half open: one attempt may try */
  readonly until: Instant | null
  /** ms of the last opening */
  readonly openMs: number
  readonly consecutive: number
  /** last attempts, oldest first: + served, - failed */
  readonly recent: string
}

export const CLOSED: Breaker = { phase: 'closed', until: null, openMs: 0, consecutive: 0, recent: '' }

/** What callers see: an open breaker whose time has come is half open. */
export function breakerState(breaker: Breaker, now: Instant): 'closed' | 'open' | 'half_open' {
  if (breaker.phase === 'closed') return 'closed'
  return breaker.until !== null && breaker.until <= now ? 'half_open' : 'open'
}

/**
 * The breaker after one attempt. A success closes it and forgets; a failure of a trial opens it for twice as long.
 * @example three failures in a row at t = 0 -> open until 10_000; a failure at 10_000 -> open until 30_000
 */
export function afterAttempt(breaker: Breaker, isServed: boolean, now: Instant): Breaker {
  if (isServed && breaker.phase === 'open') return CLOSED
  const recent = `${breaker.recent}${isServed ? '+' : '-'}`.slice(-BREAKER.recentMax)
  const consecutive = isServed ? 0 : breaker.consecutive + 1
  const counted = { ...breaker, recent, consecutive }
  if (isServed) return counted
  switch (breakerState(breaker, now)) {
    case 'closed':
      return isTooBad(recent, consecutive) ? opened(counted, BREAKER.openMs, now) : counted
    case 'half_open':
      return opened(counted, Math.min(breaker.openMs * 2, BREAKER.openMsMax), now)
    case 'open':
      // Attempts that were under way when it opened tell nothing new.
      return counted
  }
}

function isTooBad(recent: string, consecutive: number): boolean {
  if (consecutive >= BREAKER.consecutiveMax) return true
  const failures = recent.split('-').length - 1
  return recent.length >= BREAKER.recentMin && failures / recent.length > BREAKER.errorRatio
}

const opened = (breaker: Breaker, openMs: number, now: Instant): Breaker => ({
  ...breaker,
  phase: 'open',
  openMs,
  until: instant(now + openMs),
})

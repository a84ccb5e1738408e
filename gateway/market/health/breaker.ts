// The breaker of one offer (rule): stops asking a node that fails, tries it again after a while, and waits longer each time it fails again. It counts only
// what is the node's own fault; the caller of this rule decides that. Time is an argument.
// Callers' trials wait for the doubling time-out. The gateway's own probes do not, since nobody suffers from them: that is how an offer is back within seconds
// of its recovery after however long an outage. One that passes its probes and then fails its callers is on parole first, and waits in full the next time.
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

export const PROBE_PACE = {
  /** ms from the end of one probe of an offer to the next */
  apartMs: 5_000,
  /** the same when it has been failing for so long: nobody waits for it any more */
  longApartMs: 60_000,
  longMs: 1_800_000,
  /** ms until its answer is there */
  timeoutMs: 8_000,
  /** ms after which one that nobody ended is over: its isolate is gone */
  lifeMs: 20_000,
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
  /** closed by a probe at that time, and no call has been served since: one failure opens it again. Null: it is not on parole */
  readonly paroleSince: Instant | null
  /** it failed a call on parole: probes have to wait as well */
  readonly hasRelapsed: boolean
  /** of the first opening since a call was served; null: none */
  readonly failingSince: Instant | null
}

export const CLOSED: Breaker = {
  phase: 'closed',
  until: null,
  openMs: 0,
  consecutive: 0,
  recent: '',
  paroleSince: null,
  hasRelapsed: false,
  failingSince: null,
}

/** What callers see: an open breaker whose time has come is half open. */
export function breakerState({ phase, until }: Breaker, now: Instant): 'closed' | 'open' | 'half_open' {
  if (phase === 'closed') return 'closed'
  return until !== null && until <= now ? 'half_open' : 'open'
}

/**
 * The breaker after one attempt. A success closes it and forgets; a failure of a trial opens it for twice as long.
 * @param begunAt of the attempt: one that began before a probe closed the breaker says nothing of what is now. Absent: now
 * @example three failures in a row at t = 0 -> open until 10_000; a failure at 10_000 -> open until 30_000
 */
export function afterAttempt(breaker: Breaker, isServed: boolean, now: Instant, begunAt: Instant = now): Breaker {
  const { phase, paroleSince } = breaker
  if (isServed && (phase === 'open' || paroleSince !== null)) return CLOSED
  if (!isServed && paroleSince !== null && begunAt < paroleSince) return breaker
  const recent = `${breaker.recent}${isServed ? '+' : '-'}`.slice(-BREAKER.recentMax)
  const consecutive = isServed ? 0 : breaker.consecutive + 1
  const counted = { ...breaker, recent, consecutive }
  if (isServed) return counted
  switch (breakerState(breaker, now)) {
    case 'closed':
      if (paroleSince !== null) return { ...openedLonger(counted, now), paroleSince: null, hasRelapsed: true }
      return isTooBad(recent, consecutive) ? opened(counted, BREAKER.openMs, now) : counted
    case 'half_open':
      return openedLonger(counted, now)
    case 'open':
      // Attempts that were under way when it opened tell nothing new.
      return counted
  }
}

/** Whether the gateway may probe it: an offer that is fine at any time, a broken one too, unless it has shown that its probes prove nothing. */
export function mayProbe(breaker: Breaker, now: Instant): boolean {
  return !breaker.hasRelapsed || breakerState(breaker, now) !== 'open'
}

/** ms after a probe until the next one. */
export function probeApartMs({ failingSince }: Breaker, now: Instant): number {
  const isLong = failingSince !== null && now - failingSince >= PROBE_PACE.longMs
  return isLong ? PROBE_PACE.longApartMs : PROBE_PACE.apartMs
}

/** The breaker after one of the gateway's own probes: a served one closes it on parole, a failed one keeps callers away for as long again. */
export function afterProbe(breaker: Breaker, isServed: boolean, now: Instant): Breaker {
  if (breaker.phase === 'closed') {
    if (breaker.paroleSince === null) return afterAttempt(breaker, isServed, now)
    return isServed ? breaker : { ...opened(breaker, breaker.openMs, now), paroleSince: null }
  }
  if (isServed) return { ...breaker, phase: 'closed', until: null, consecutive: 0, recent: '', paroleSince: now }
  return breakerState(breaker, now) === 'half_open' ? opened(breaker, breaker.openMs, now) : breaker
}

function isTooBad(recent: string, consecutive: number): boolean {
  if (consecutive >= BREAKER.consecutiveMax) return true
  const failures = recent.split('-').length - 1
  return recent.length >= BREAKER.recentMin && failures / recent.length > BREAKER.errorRatio
}

const openedLonger = (breaker: Breaker, now: Instant): Breaker =>
  opened(breaker, Math.min(Math.max(BREAKER.openMs, breaker.openMs * 2), BREAKER.openMsMax), now)

const opened = (breaker: Breaker, openMs: number, now: Instant): Breaker => ({
  ...breaker,
  phase: 'open',
  openMs,
  until: instant(now + openMs),
  failingSince: breaker.failingSince ?? now,
})

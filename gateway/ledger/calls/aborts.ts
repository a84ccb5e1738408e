// Callers who leave before the first token take a node's work for nothing (rule). Calls and such aborts are counted with a half-life; an
// account that aborts more than a fifth of its calls is slowed to one call in a few seconds until its share is better, or forgotten. The
// first calls count as good ones: of twenty calls an honest caller may by chance abort five, and must not be slowed for it.
import { instant, type Instant } from '../../../protocol/units.ts'
import type { CallEnd, Refused } from '../account-port.ts'

export const ABORTS = {
  /** ms after which a call counts half */
  halfLifeMs: 600_000,
  /** recent calls below which nobody is slowed */
  callsMin: 20,
  /** good calls that everybody is lent */
  callsLent: 20,
  /** one abort in so many calls is bearable */
  shareMax: 5,
  /** ms between two calls of a slowed account */
  paceMs: 5_000,
} as const

/** Counts are millionths of a call, right at {@link at}. */
export interface AbortCount {
  readonly calls: number
  readonly aborts: number
  readonly at: Instant
  /** when a slowed account's last call was let through */
  readonly passedAt: Instant
}

const CALL = 1_000_000

/** A call ended. One that a caller left before the first token counts twice: as a call and as an abort. */
export function countEnd(
  count: AbortCount,
  { outcome, firstTokenAt }: Pick<CallEnd, 'outcome' | 'firstTokenAt'>,
  now: Instant,
): AbortCount {
  const { calls, aborts } = decayed(count, now)
  const isAbort = outcome === 'cancelled' && firstTokenAt === null
  // A clock that went back must not make old counts young again.
  const at = instant(Math.max(now, count.at))
  return { ...count, calls: calls + CALL, aborts: aborts + (isAbort ? CALL : 0), at }
}

/** @example 20 calls, all aborted, counted just now // slowed; 20 calls with 8 aborts // not slowed */
export function isSlowed(count: AbortCount, now: Instant): boolean {
  const { calls, aborts } = decayed(count, now)
  return calls >= ABORTS.callsMin * CALL && aborts * ABORTS.shareMax > calls + ABORTS.callsLent * CALL
}

/** Whether a call may begin now: at once, or at its pace. `count` is what is to be kept when it does. */
export function pace(count: AbortCount, now: Instant): Refused | { readonly ok: true; readonly count: AbortCount } {
  if (!isSlowed(count, now)) return { ok: true, count }
  const waitMs = count.passedAt + ABORTS.paceMs - now
  // A wait longer than the pace means that the clock went back.
  if (waitMs <= 0 || waitMs > ABORTS.paceMs) return { ok: true, count: { ...count, passedAt: now } }
  return {
    ok: false,
    code: 'aborts_limited',
    detail: `One call in ${ABORTS.paceMs / 1000} seconds may begin until fewer are left early.`,
    retryAfterMs: waitMs,
    limit: {
      name: 'aborts',
      limit: String(60_000 / ABORTS.paceMs),
      remaining: '0',
      resetsAt: instant(now + waitMs),
    },
  }
}

function decayed({ calls, aborts, at }: AbortCount, now: Instant): Pick<AbortCount, 'calls' | 'aborts'> {
  const kept = 2 ** (-Math.max(0, now - at) / ABORTS.halfLifeMs)
  return { calls: Math.floor(calls * kept), aborts: Math.floor(aborts * kept) }
}

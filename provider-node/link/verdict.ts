// What a link that could not be had, or that ended, means: one word, one sentence for the operator, and when to try again. A rule.
import { LINK, LINK_CLOSE, reconnectPauseMs } from '../../protocol/link.ts'
import { WIRE_VERSION } from '../../protocol/wire.ts'
import type { LinkEnd } from './connection.ts'
import type { DialFailure } from './dial.ts'
import { LINK_LIMITS } from './link-limits.ts'

export interface Verdict {
  /** what is told once, however often it happens in a row */
  readonly why: string
  readonly message: string
  /** ms until the next try */
  readonly pauseMs: number
}

export interface Circumstances {
  readonly gateway: string
  /** ms since the Unix epoch, when the answer came */
  readonly now: number
  /** tries since the link last stood for long, from 0 */
  readonly attempt: number
  /** evenly in [0, 1) */
  readonly draw: number
}

/** Why there is no link, from what came instead of one. */
export function judgeFailure(failure: DialFailure, { gateway, now, attempt, draw }: Circumstances): Verdict {
  const soon = reconnectPauseMs(attempt, draw)
  switch (failure.kind) {
    case 'unreachable':
      return { why: 'unreachable', message: `the gateway ${gateway} does not answer (${failure.cause})`, pauseMs: soon }
    case 'wire':
      return tooOld(`its version of the wire is ${failure.theirs}`, draw)
    case 'refused':
      return judgeRefusal(failure, { gateway, now, attempt, draw })
    default:
      return failure satisfies never
  }
}

function judgeRefusal(
  { status, code, message, retryAfterMs, gatewayAt }: Extract<DialFailure, { kind: 'refused' }>,
  { gateway, now, attempt, draw }: Circumstances,
): Verdict {
  const soon = reconnectPauseMs(attempt, draw)
  const told = message ?? `status ${status}`
  const offMs = gatewayAt === null ? 0 : now - gatewayAt
  if (status === 422 && Math.abs(offMs) > LINK_LIMITS.clockMs)
    return {
      why: 'clock',
      message: `this machine's clock is ${spanOf(Math.abs(offMs))} ${offMs > 0 ? 'ahead of' : 'behind'} the gateway's: set it right, best by NTP`,
      pauseMs: spread(LINK_LIMITS.refusedMs, draw),
    }
  if (status === 409)
    return {
      why: 'conflict',
      message:
        "another process with this node's key is linked: stop it, or give this one a state folder of its own; one that died without a word is let go within a minute",
      // The gateway says how long the place of a silent one is kept.
      pauseMs: spread(Math.max(retryAfterMs ?? LINK_LIMITS.conflictMs, LINK_LIMITS.conflictLeastMs), draw),
    }
  if (status === 426) return tooOld(told, draw)
  if (status === 422)
    return {
      why: code ?? 'authorization_refused',
      message: `the gateway does not accept this node's key: ${told} Run souk-node register if it was never registered here, or was revoked`,
      pauseMs: spread(attempt < LINK_LIMITS.refusedTries ? LINK_LIMITS.refusedMs : LINK_LIMITS.hopelessMs, draw),
    }
  if (status === 429 || status >= 500)
    return {
      why: 'overloaded',
      message: `the gateway ${gateway} takes no links now: ${told}`,
      pauseMs: (retryAfterMs ?? 0) + soon,
    }
  return {
    why: `status_${status}`,
    message: `${gateway} does not answer like a Souk gateway: ${told} Look at "gateway" in config.json`,
    pauseMs: Math.max(soon, spread(LINK.pauseMs.last, draw)),
  }
}

/** Why a link that stood is gone. @param circumstances `attempt` is 0 when it had stood for long */
export function judgeEnd({ by, code, reason }: LinkEnd, { attempt, draw }: Omit<Circumstances, 'now'>): Verdict {
  const pauseMs = reconnectPauseMs(attempt, draw)
  const said = reason === '' ? '' : `: ${reason}`
  if (by === 'gateway' && code === LINK_CLOSE.revoked)
    return {
      why: 'revoked',
      message: `the gateway has closed this node's link for good${said}; souk-node status says why, and souk-node register authorises it again if it was revoked`,
      pauseMs: spread(LINK_LIMITS.hopelessMs, draw),
    }
  if (code === LINK_CLOSE.silent) return { why: 'silent', message: reason || 'nothing was heard for too long', pauseMs }
  if (code === LINK_CLOSE.protocol)
    return {
      why: 'protocol',
      message: `${by === 'node' ? 'the gateway' : 'this node'} broke a rule of the link${said}`,
      pauseMs,
    }
  const WHY: Record<number, string> = { [LINK_CLOSE.going]: 'going', [LINK_CLOSE.replaced]: 'replaced' }
  return { why: WHY[code] ?? 'lost', message: `the link ended (${code})${said}`, pauseMs }
}

const tooOld = (told: string, draw: number): Verdict => ({
  why: 'wire',
  message: `this program and the gateway do not speak the same version (this one: ${WIRE_VERSION}; the gateway: ${told}): install the newest souk-node`,
  pauseMs: spread(LINK_LIMITS.hopelessMs, draw),
})

/** A tenth more at most, so that many nodes with one trouble do not ask together. */
const spread = (ms: number, draw: number): number => Math.round(ms * (1 + draw / 10))

/** @example spanOf(125_000) // '2 min 5 s' */
export function spanOf(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600), Math.floor(seconds / 60)]
  if (days > 1) return `${days} days`
  if (hours > 1) return `${hours} hours`
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`
}

// What follows from one try (a rule): delivered, tried again later, given up, or the webhook disabled. The pauses grow to a day, so that a
// receiver may be away for a night and a morning; what it missed after that can be replayed.
import { instant, type Instant } from '../../protocol/units.ts'
import type { DeliveryError } from '../../protocol/webhook.ts'
import { NOTIFY } from './limits.ts'

/** What one try came to. */
export interface Attempt {
  /** null: delivered */
  readonly error: Exclude<DeliveryError, 'disabled'> | null
  /** HTTP status; null without an answer */
  readonly status: number | null
  readonly ms: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** ms before the second, third … eighth try. The cron runs once a minute: the first two mean its next run. */
export const PAUSES_MS: readonly number[] = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  HOUR,
  6 * HOUR,
  24 * HOUR,
]
/** A pause is up to this share longer, so that what failed together does not come back together. */
const JITTER = 0.2

/**
 * ms until the next try; null: given up.
 * @param tries failed so far, at least 1
 * @param draw 0 ≤ draw < 1
 * @example pauseMs(1, 0) // 5_000
 */
export function pauseMs(tries: number, draw: number): number | null {
  const pause = PAUSES_MS[tries - 1]
  return pause === undefined ? null : Math.floor(pause * (1 + JITTER * draw))
}

export interface Verdict {
  readonly state: 'pending' | 'delivered' | 'failed'
  readonly nextAt: Instant | null
  /** why the webhook is disabled now; null: it is not */
  readonly disabled: string | null
}

export const REASON = {
  gone: 'The receiver answered 410 Gone.',
  failing: 'Nothing could be delivered for five days.',
} as const

/**
 * @param tries this one included
 * @param failingSince of the webhook, before this try
 */
export function judgeAttempt(
  { error }: Attempt,
  { tries, failingSince }: { readonly tries: number; readonly failingSince: Instant | null },
  now: Instant,
  draw: number,
): Verdict {
  if (error === null) return { state: 'delivered', nextAt: null, disabled: null }
  if (error === 'gone') return { state: 'failed', nextAt: null, disabled: REASON.gone }
  const pause = pauseMs(tries, draw)
  if (pause !== null) return { state: 'pending', nextAt: instant(now + pause), disabled: null }
  // Only with a message that had all its tries: the first hiccup after a long silence must not end a webhook.
  const isDead = failingSince !== null && now - failingSince >= NOTIFY.failingMs
  return { state: 'failed', nextAt: null, disabled: isDead ? REASON.failing : null }
}

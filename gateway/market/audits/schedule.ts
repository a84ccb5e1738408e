// When an offer is audited (rule): after so many of its own calls, never by the clock, so that audits come as its traffic does and a busy node is looked at as often per
// call as a quiet one. The gap is drawn anew after each audit, by a secret, within bounds: no node can count on being left alone, and none is forgotten.
import type { Instant, Nanos } from '../../../protocol/units.ts'
import { SUSPICION } from './suspicion.ts'

export const SCHEDULE = {
  /** calls between two audits of one offer, on average */
  gapCalls: 90,
  /** the same while it is suspected: the rest of a proof is gathered within some fifty calls */
  suspectedGapCalls: 10,
  /** the same before the first one: newcomers show early what they are */
  firstGapCalls: 30,
  /** a gap is drawn evenly from this share more or less */
  spread: 0.25,
  /** nats from which an offer is suspected: half a finding against a declared offer is enough */
  suspectedNats: 0.4,
} as const

/** How an offer stands with audits. Null: it was never audited. */
export interface Standing {
  readonly suspicion: number
  readonly lastAt: Instant | null
}

/** @param draw 0 ≤ draw < 1, of this offer and its last audit: the same until the next one. @example a calm offer, draw 0.5 // 90 */
export function gapOf({ suspicion, lastAt }: Standing, draw: number): number {
  const { gapCalls, firstGapCalls, suspectedGapCalls, suspectedNats, spread } = SCHEDULE
  const mean = suspicion >= suspectedNats ? suspectedGapCalls : lastAt === null ? firstGapCalls : gapCalls
  return Math.max(1, Math.round(mean * (1 - spread + 2 * spread * draw)))
}

/** Who is looked at first when not all can be: the most suspected, then who waits longest beyond its gap. */
export function urgencyOf({ suspicion }: Standing, calls: number, gap: number): number {
  return Math.min(suspicion, SUSPICION.suspendNats) * 1_000 + calls / gap
}

/**
 * What may still be spent: a share of what callers paid, and an allowance for a market that has hardly begun.
 * @param spent in the same span of time as `revenue`
 */
export function budgetLeft(revenue: Nanos, spent: Nanos, shareBps: number, allowance: Nanos): bigint {
  const budget = (revenue * BigInt(shareBps)) / 10_000n
  return (budget > allowance ? budget : allowance) - spent
}

/**
 * ms from `now` at which a node is asked next: as one of its own calls of the last minute came, a minute later. Without any: evenly.
 * @param starts of its calls in the minute before `from`
 * @param pick, even 0 ≤ … < 1
 */
export function delayMs(
  starts: readonly Instant[],
  from: Instant,
  now: Instant,
  windowMs: number,
  pick: number,
  even: number,
): number {
  const left = Math.max(0, from + windowMs - now)
  const due = starts
    .map((at) => at + MINUTE_MS + (even - 0.5) * 2 * JITTER_MS - now)
    .filter((ms) => ms >= 0 && ms <= left)
  return Math.round(due[Math.floor(pick * due.length)] ?? even * left)
}

const MINUTE_MS = 60_000
/** ms either way: the very rhythm of a minute before would be a sign */
const JITTER_MS = 2_000

// When an offer is audited (rule): after so many of its own calls, never by the clock, so that audits come as its traffic does and a busy node is looked at as often per
// call as a quiet one. The gap is drawn anew after each audit, by a secret, within bounds: no node can count on being left alone, and none is forgotten.
import type { Instant, Nanos } from '../../../protocol/units.ts'

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

/**
 * What may still be spent: a share of what callers paid, and an allowance for a market that has hardly begun.
 * @param spent in the same span of time as `revenue`
 */
export function budgetLeft(revenue: Nanos, spent: Nanos, shareBps: number, allowance: Nanos): bigint {
  const budget = (revenue * BigInt(shareBps)) / 10_000n
  return (budget > allowance ? budget : allowance) - spent
}

/** In which part of a run an offer is examined, ms from the run's beginning. */
export interface Window {
  readonly opensMs: number
  readonly closesMs: number
}

/** How an offer is called. */
export interface Pace {
  /** calls in the minute before */
  readonly lastMinute: number
  /** calls a minute since its last audit: what a busy minute among quiet ones does not change */
  readonly sustained: number
}

/**
 * When an offer's turn comes in a run, going by the calls it had in the minute before; null: not in this one. Busy and suspected offers are looked at as soon as it comes.
 * @example 60 calls of 90, 120 a minute // from 15 s to 20 s
 */
export function windowOf(standing: Standing, calls: number, gap: number, pace: Pace, runMs: number): Window | null {
  if (calls < gap && pace.lastMinute === 0) return null
  const opensMs = calls >= gap ? 0 : ((gap - calls) / pace.lastMinute) * MINUTE_MS
  if (opensMs > runMs) return null
  return { opensMs, closesMs: Math.min(runMs, opensMs + (isSoon(standing, pace) ? SOON_MS : CALM_WINDOW * runMs)) }
}

/**
 * Whether an offer is examined as soon as its turn comes. Calm ones wait some minutes by chance: the call that fills a gap stands in a crowd more often than not, and what follows it at
 * once would always follow a crowd.
 */
export const isSoon = ({ suspicion }: Pick<Standing, 'suspicion'>, { lastMinute, sustained }: Pace): boolean =>
  Math.min(lastMinute, sustained) >= BUSY_CALLS || suspicion >= SCHEDULE.suspectedNats

/** share of the calm offers whose turn has come that are examined in a run */
export const CALM_SHARE = 0.3

/** calls a minute from which a minute is a good part of what lies between two audits */
const BUSY_CALLS = 10
/** ms in which the turn of a busy or suspected offer is drawn */
const SOON_MS = 5_000
/** of a run, in which the moment of a calm one is drawn */
const CALM_WINDOW = 0.75

/** A moment of the window, as ms from `now`. @param even 0 ≤ even < 1 */
export function momentMs({ opensMs, closesMs }: Window, from: Instant, now: Instant, even: number): number {
  const first = Math.max(opensMs, now - from)
  return first + even * (Math.max(first, closesMs) - first) - (now - from)
}

/**
 * ms until a call would come, if this offer's calls went on as they did: a gap of its own is drawn, of those that are longer than what has passed since its last call. Audits that
 * come so look like one call more, in sessions and in quiet hours alike; at even times most would stand alone. Null: too few calls to go by.
 * @param starts of its last calls, newest first
 * @param draw 0 ≤ draw < 1
 * @example calls 10, 70 and 75 s ago: gaps of 60 and 5 s, of which one is longer than 10 s // 50 s
 */
export function arrivalMs(starts: readonly Instant[], now: Instant, draw: number): number | null {
  if (starts.length < STARTS_MIN) return null
  const age = Math.max(0, now - (starts[0] ?? now))
  const gaps = starts.slice(1).map((at, i) => (starts[i] ?? at) - at)
  const longer = gaps.filter((gap) => gap > age)
  const drawn = longer[Math.floor(draw * longer.length)]
  // Never so long a silence: it may last as long again.
  return drawn === undefined ? age * (1 + draw) : drawn - age
}

/** calls from which their gaps say something */
const STARTS_MIN = 3
const MINUTE_MS = 60_000

// How many attempts at the same time an offer was found to take (rule), learned as TCP learns a line: a third less when it says that it is full or begins to
// queue, a bit more with every answer at the limit. Its operator's own number is the upper bound (rows.ts), and what was learnt is forgotten within minutes,
// so that a machine that was busy with something else gets its calls back.
import type { Instant } from '../../../protocol/units.ts'

export const IN_FLIGHT_CAP = {
  /** what is left after "busy", and after answers that queued */
  busyFactor: 0.7,
  queueFactor: 0.9,
  /** ms between two reductions: refusals of one burst are one sign */
  apartMs: 1_000,
  /** an answer has queued when its first token takes so many times the usual and so many ms more; long inputs are slow without a queue */
  queueTimes: 4,
  queueMs: 1_000,
  /** answers in a row that queued before it counts */
  queuedMin: 3,
  /** how fast the usual follows answers that are slower than it */
  usualShare: 0.02,
  /** ms after which what was learnt has doubled, and after which nothing is left of it */
  doublesMs: 120_000,
  forgottenMs: 1_200_000,
} as const

export interface InFlightCap {
  /** null: nothing is known, it takes as many as its operator says. A fraction on its way up */
  readonly cap: number | null
  /** of the last reduction */
  readonly loweredAt: Instant | null
  /** ms to the first token while it has nothing to do; null: not measured */
  readonly usualMs: number | null
  /** answers in a row that queued */
  readonly queued: number
}

export const UNCAPPED: InFlightCap = { cap: null, loweredAt: null, usualMs: null, queued: 0 }

export interface CapSample {
  readonly verdict: 'served' | 'failed' | 'busy' | null
  readonly firstTokenMs: number | null
  /** attempts under way when it ended, itself included */
  readonly inFlight: number
}

/** @returns whole attempts, at least 1; null: no cap of ours */
export function capNow({ cap, loweredAt }: InFlightCap, now: Instant): number | null {
  if (cap === null || loweredAt === null || now - loweredAt >= IN_FLIGHT_CAP.forgottenMs) return null
  return Math.max(1, Math.floor(grown(cap, loweredAt, now)))
}

/** @example "busy" with 10 under way: cap 7; ten answers with 7 or more under way later: cap 8 */
export function afterCapSample(known: InFlightCap, sample: CapSample, now: Instant): InFlightCap {
  const { verdict, firstTokenMs, inFlight } = sample
  if (verdict === 'busy') return lowered(known, IN_FLIGHT_CAP.busyFactor, inFlight, now)
  if (verdict !== 'served') return known
  const usualMs = usual(known.usualMs, firstTokenMs)
  const queued = hasQueued(known.usualMs, firstTokenMs) && inFlight > 1 ? known.queued + 1 : 0
  const learned = { ...known, usualMs, queued }
  if (queued >= IN_FLIGHT_CAP.queuedMin)
    return { ...lowered(learned, IN_FLIGHT_CAP.queueFactor, inFlight, now), queued: 0 }
  return queued > 0 ? learned : raised(learned, inFlight, now)
}

function lowered(known: InFlightCap, factor: number, inFlight: number, now: Instant): InFlightCap {
  if (known.loweredAt !== null && now - known.loweredAt < IN_FLIGHT_CAP.apartMs) return known
  // Fewer may have been under way than were allowed: what it refused is what counts.
  const from = Math.min(capNow(known, now) ?? inFlight, Math.max(1, inFlight))
  return { ...known, cap: Math.max(1, from * factor), loweredAt: now }
}

/** One more for each round of as many answers as it takes, and only while it is used to the full. */
function raised(known: InFlightCap, inFlight: number, now: Instant): InFlightCap {
  const cap = capNow(known, now)
  if (cap === null) return { ...known, cap: null, loweredAt: null }
  if (known.cap === null || inFlight < cap) return known
  return { ...known, cap: known.cap + 1 / cap }
}

const grown = (cap: number, loweredAt: Instant, now: Instant): number =>
  cap * 2 ** (Math.max(0, now - loweredAt) / IN_FLIGHT_CAP.doublesMs)

function hasQueued(usualMs: number | null, firstTokenMs: number | null): boolean {
  if (usualMs === null || firstTokenMs === null) return false
  return firstTokenMs > usualMs * IN_FLIGHT_CAP.queueTimes && firstTokenMs > usualMs + IN_FLIGHT_CAP.queueMs
}

/** Falls at once, rises slowly. */
function usual(usualMs: number | null, firstTokenMs: number | null): number | null {
  if (firstTokenMs === null) return usualMs
  if (usualMs === null || firstTokenMs <= usualMs) return firstTokenMs
  return usualMs + (firstTokenMs - usualMs) * IN_FLIGHT_CAP.usualShare
}

// Health of one offer (rule): averages that forget, so that yesterday's trouble or glory does not decide today. What counts against a node is its own
// fault alone: not what a caller did, not what struck many nodes at once (correlated.ts), not a place that was taken. Unknown stays null; a single
// sample already counts, because the breaker and the draw are what acts on it.
import type { Instant } from '../../../protocol/units.ts'
import { CALL_TIMEOUTS, HOLD_GRACE_MS } from '../../core/limits.ts'
import type { AttemptReport } from '../market-port.ts'

/** An attempt nobody ended is forgotten when even its hold is over. ms */
export const ATTEMPT_MS = CALL_TIMEOUTS.totalMs + HOLD_GRACE_MS

/** ms after which a sample counts half */
export const HALF_LIFE_MS = {
  success: 600_000,
  firstTokenMs: 600_000,
  unitsPerSecond: 600_000,
  /** a crowd is gone sooner than a defect */
  busy: 120_000,
  /** who counts wrong is watched for longer than who was slow */
  driftPpm: 3_600_000,
} as const

/** Fewer units than this give no speed worth knowing. */
const SPEED_UNITS_MIN = 4

/** A weighted mean that decays. */
export interface Average {
  readonly sum: number
  readonly weight: number
}
const NOTHING: Average = { sum: 0, weight: 0 }

export interface Health {
  readonly success: Average
  readonly firstTokenMs: Average
  readonly unitsPerSecond: Average
  /** share of attempts that found every place taken */
  readonly busy: Average
  /** of {@link AttemptReport}'s driftPpm */
  readonly driftPpm: Average
  readonly at: Instant
}

export const unknownHealth = (now: Instant): Health => ({
  success: NOTHING,
  firstTokenMs: NOTHING,
  unitsPerSecond: NOTHING,
  busy: NOTHING,
  driftPpm: NOTHING,
  at: now,
})

/** The mean, null while nothing is known. */
export const mean = (average: Average): number | null => (average.weight > 0 ? average.sum / average.weight : null)

export type Verdict = 'served' | 'failed' | 'busy'

/** What one attempt, or one probe, says of the offer. Null: nothing. */
export interface Sample {
  readonly verdict: Verdict | null
  readonly firstTokenMs: number | null
  readonly unitsPerSecond: number | null
  readonly driftPpm: number | null
}

export const sampleOf = (report: AttemptReport): Sample => ({
  verdict: verdictOf(report),
  firstTokenMs: report.firstTokenMs,
  unitsPerSecond: speedOf(report),
  driftPpm: report.driftPpm,
})

/** Whether the attempt says something of the node: served, failed by its own fault, found it full, or nothing (null). */
export function verdictOf({ outcome, fault }: Pick<AttemptReport, 'outcome' | 'fault'>): Verdict | null {
  if (outcome === 'served') return 'served'
  if (fault === 'node') return 'failed'
  return outcome === 'provider_busy' && fault === 'none' ? 'busy' : null
}

/** @example success of a failure 10 minutes after a success: (0.5 × 1 + 0) ÷ 1.5 = 0.33 */
export function afterSample(health: Health, sample: Sample, now: Instant): Health {
  const { verdict } = sample
  const ageMs = Math.max(0, now - health.at)
  const isAnswer = verdict === 'served' || verdict === 'failed'
  const add = (of: keyof typeof HALF_LIFE_MS, value: number | null): Average => {
    const factor = 0.5 ** (ageMs / HALF_LIFE_MS[of])
    const { sum, weight } = health[of]
    const decayed = { sum: sum * factor, weight: weight * factor }
    return value === null ? decayed : { sum: decayed.sum + value, weight: decayed.weight + 1 }
  }
  return {
    success: add('success', isAnswer ? Number(verdict === 'served') : null),
    firstTokenMs: add('firstTokenMs', sample.firstTokenMs),
    unitsPerSecond: add('unitsPerSecond', sample.unitsPerSecond),
    busy: add('busy', verdict === null ? null : Number(verdict === 'busy')),
    driftPpm: add('driftPpm', sample.driftPpm),
    at: now,
  }
}

/** Output units a second, after the first one. */
function speedOf(report: AttemptReport): number | null {
  if (report.firstTokenMs === null || report.outputTokens < SPEED_UNITS_MIN) return null
  const ms = report.durationMs - report.firstTokenMs
  return ms > 0 ? ((report.outputTokens - 1) / ms) * 1_000 : null
}

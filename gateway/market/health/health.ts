// Health of one offer (rule): averages that forget, half of their weight every ten minutes, so that yesterday's trouble or glory does not
// decide today. Unknown stays null; a single sample already counts, because the breaker and the draw are what acts on it.
import type { Instant } from '../../../protocol/units.ts'
import { CALL_TIMEOUTS, HOLD_GRACE_MS } from '../../core/limits.ts'
import type { AttemptReport } from '../market-port.ts'

/** An attempt nobody ended is forgotten when even its hold is over. ms */
export const ATTEMPT_MS = CALL_TIMEOUTS.totalMs + HOLD_GRACE_MS
const HALF_LIFE_MS = 600_000
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
  /** of {@link AttemptReport}'s driftPpm */
  readonly driftPpm: Average
  readonly at: Instant
}

export const unknownHealth = (now: Instant): Health => ({
  success: NOTHING,
  firstTokenMs: NOTHING,
  unitsPerSecond: NOTHING,
  driftPpm: NOTHING,
  at: now,
})

/** The mean, null while nothing is known. */
export const mean = (average: Average): number | null => (average.weight > 0 ? average.sum / average.weight : null)

/** Whether the attempt says something of the node: served, failed by its own fault, or nothing (null). */
export function verdictOf(report: AttemptReport): 'served' | 'failed' | null {
  if (report.outcome === 'served') return 'served'
  return report.fault === 'node' ? 'failed' : null
}

/** @example success of a failure 10 minutes after a success: (0.5 × 1 + 0) ÷ 1.5 = 0.33 */
export function afterReport(health: Health, report: AttemptReport, now: Instant): Health {
  const factor = 0.5 ** (Math.max(0, now - health.at) / HALF_LIFE_MS)
  const verdict = verdictOf(report)
  return {
    success: add(health.success, factor, verdict === null ? null : Number(verdict === 'served')),
    firstTokenMs: add(health.firstTokenMs, factor, report.firstTokenMs),
    unitsPerSecond: add(health.unitsPerSecond, factor, speedOf(report)),
    driftPpm: add(health.driftPpm, factor, report.driftPpm),
    at: now,
  }
}

function add(average: Average, factor: number, sample: number | null): Average {
  const decayed = { sum: average.sum * factor, weight: average.weight * factor }
  return sample === null ? decayed : { sum: decayed.sum + sample, weight: decayed.weight + 1 }
}

/** Output units a second, after the first one. */
function speedOf(report: AttemptReport): number | null {
  if (report.firstTokenMs === null || report.outputTokens < SPEED_UNITS_MIN) return null
  const ms = report.durationMs - report.firstTokenMs
  return ms > 0 ? ((report.outputTokens - 1) / ms) * 1_000 : null
}

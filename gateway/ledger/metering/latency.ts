// How long calls took, counted in buckets on a logarithmic scale (rule): each 9 % wider than the one before, so that a percentile is read off to within
// a twentieth, hours add up to days and books to a whole, and a busy hour takes no more room than a quiet one. Two measures share one count: `f` the
// time to the first token, `d` the whole of a call that ended well; one that its caller or a fault cut short says nothing of how long calls take.
import type { LatencyView } from '../../../protocol/metering.ts'

/** A bucket ends 2^⅛ = 1.0905 times where it begins: less than a tenth. */
export const BUCKETS_PER_OCTAVE = 8

export type Measure = 'f' | 'd'
/** Measure and bucket -> how many calls. @example { f26: 3, d60: 3 } */
export type Counts = Readonly<Record<string, number>>

/** Bucket 0 is less than 1 ms; bucket b from 2^((b−1)/8) ms on. @example bucketOf('f', 100) // 'f54': from 98.7 up to 107.6 ms */
export function bucketOf(measure: Measure, ms: number): string {
  return `${measure}${ms < 1 ? 0 : 1 + Math.floor(Math.log2(ms) * BUCKETS_PER_OCTAVE)}`
}

/** What a call adds. */
export function bucketsOf(call: {
  readonly outcome: string
  readonly startedAt: number
  readonly firstTokenAt: number | null
  readonly endedAt: number
}): string[] {
  const { outcome, startedAt, firstTokenAt, endedAt } = call
  return [
    ...(firstTokenAt === null ? [] : [bucketOf('f', firstTokenAt - startedAt)]),
    ...(outcome === 'complete' ? [bucketOf('d', endedAt - startedAt)] : []),
  ]
}

export function mergedCounts(all: readonly Counts[]): Counts {
  const sum: Record<string, number> = {}
  for (const counts of all)
    for (const [bucket, count] of Object.entries(counts)) sum[bucket] = (sum[bucket] ?? 0) + count
  return sum
}

/** Null: nothing was measured. ms, each the middle of its bucket, so at most 5 % off what the calls themselves would say (nearest rank). */
export function latencyOf(counts: Counts, measure: Measure): LatencyView {
  const buckets = Object.entries(counts)
    .flatMap(([name, count]) => (name.startsWith(measure) ? [{ bucket: Number(name.slice(1)), count }] : []))
    .sort((a, b) => a.bucket - b.bucket)
  const all = buckets.reduce((sum, { count }) => sum + count, 0)
  if (all === 0) return null
  const at = (share: number): number => {
    const rank = Math.max(1, Math.ceil(share * all))
    let passed = 0
    for (const { bucket, count } of buckets) {
      passed += count
      if (passed >= rank) return middleOf(bucket)
    }
    return middleOf(buckets.at(-1)?.bucket ?? 0)
  }
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

/** Below 12 ms a bucket has a single whole millisecond, which is told as it was. */
function middleOf(bucket: number): number {
  if (bucket === 0) return 0
  const [from, to] = [2 ** ((bucket - 1) / BUCKETS_PER_OCTAVE), 2 ** (bucket / BUCKETS_PER_OCTAVE)]
  const first = Math.ceil(from - 1e-9)
  const last = Math.ceil(to - 1e-9) - 1
  return last <= first ? first : Math.round(Math.sqrt(from * to))
}

// How long calls took, counted in buckets on a logarithmic scale (rule): each 9 % wider than the one before, so that a percentile is read off to within
// a twentieth, hours add up to days and books to a whole, and a busy hour takes no more room than a quiet one. Two measures share one count: `f` the
// time to the first token, `d` the whole of a call that ended well; one that its caller or a fault cut short says nothing of how long calls take.
import type { LatencyView } from '../../../protocol/metering.ts'

/** A bucket ends 2^⅛ = 1.0905 times where it begins: less than a tenth. */
export const BUCKETS_PER_OCTAVE = 8

export type Measure = 'f' | 'd'
/** As a row has them: measure and bucket -> how many calls. @example { f54: 3, d60: 3 } */
export type CountsRow = Readonly<Record<string, number>>
/** How many calls each bucket has; a hole is none. A chart has hundreds of these, so they are lists and not names. */
export type Counts = { readonly [measure in Measure]: readonly number[] }

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

/** What several books, or several hours, say. */
export function countsOf(rows: readonly CountsRow[]): Counts {
  const counts: Record<Measure, number[]> = { f: [], d: [] }
  for (const row of rows)
    for (const name in row) {
      const buckets = name.charCodeAt(0) === FIRST ? counts.f : counts.d
      const bucket = Number(name.slice(1))
      buckets[bucket] = (buckets[bucket] ?? 0) + (row[name] ?? 0)
    }
  return counts
}
const FIRST = 'f'.charCodeAt(0)

export function mergedCounts(all: Iterable<Counts>): Counts {
  const sum: Record<Measure, number[]> = { f: [], d: [] }
  for (const counts of all)
    for (const measure of ['f', 'd'] as const)
      for (let bucket = 0; bucket < counts[measure].length; bucket++)
        sum[measure][bucket] = (sum[measure][bucket] ?? 0) + (counts[measure][bucket] ?? 0)
  return sum
}

/** Null: nothing was measured. ms, each the middle of its bucket, so at most 5 % off what the calls themselves would say (nearest rank). */
export function latencyOf(counts: Counts, measure: Measure): LatencyView {
  const buckets = counts[measure]
  let all = 0
  for (let bucket = 0; bucket < buckets.length; bucket++) all += buckets[bucket] ?? 0
  if (all === 0) return null
  const ranks = [0.5, 0.9, 0.99].map((share) => Math.max(1, Math.ceil(share * all)))
  const found: number[] = []
  let passed = 0
  for (let bucket = 0; bucket < buckets.length && found.length < ranks.length; bucket++) {
    passed += buckets[bucket] ?? 0
    while (found.length < ranks.length && passed >= (ranks[found.length] ?? 0)) found.push(middleOf(bucket))
  }
  const [p50 = 0, p90 = 0, p99 = 0] = found
  return { p50, p90, p99 }
}

/** Below 12 ms a bucket has a single whole millisecond, which is told as it was. */
function middleOf(bucket: number): number {
  if (bucket === 0) return 0
  const [from, to] = [2 ** ((bucket - 1) / BUCKETS_PER_OCTAVE), 2 ** (bucket / BUCKETS_PER_OCTAVE)]
  const first = Math.ceil(from - 1e-9)
  const last = Math.ceil(to - 1e-9) - 1
  return last <= first ? first : Math.round(Math.sqrt(from * to))
}

export const NO_COUNTS: Counts = { f: [], d: [] }

// A histogram of what may lie anywhere between milliseconds and minutes (rule): sparse buckets on a logarithmic scale, each a fifth wider than the one
// before, so that two of them are merged by adding up and a percentile of many is as good as one of a few: off by less than a bucket. Its size is bounded
// by its buckets, however many samples it holds.

/** Bucket -> how many. JSON. */
export type Histogram = Readonly<Record<string, number>>

export const HISTOGRAM = {
  /** buckets for each doubling: one is 2^¼, 1.19 times as wide as the one before */
  perOctave: 4,
  /** of 0.06 and of 4,000,000: below a unit a minute, above an hour of milliseconds */
  lowest: -16,
  highest: 88,
} as const

export const EMPTY: Histogram = {}

/** @example bucketOf(100) // 26: from 90.5 up to 107.6 */
export function bucketOf(value: number): number {
  const bucket = Math.floor(Math.log2(Math.max(value, Number.MIN_VALUE)) * HISTOGRAM.perOctave)
  return Math.min(HISTOGRAM.highest, Math.max(HISTOGRAM.lowest, bucket))
}

export function withSample(histogram: Histogram, value: number): Histogram {
  const bucket = bucketOf(value)
  return { ...histogram, [bucket]: (histogram[bucket] ?? 0) + 1 }
}

export function merged(histograms: readonly Histogram[]): Histogram {
  const sum: Record<string, number> = {}
  for (const histogram of histograms)
    for (const [bucket, count] of Object.entries(histogram)) sum[bucket] = (sum[bucket] ?? 0) + count
  return sum
}

/**
 * The value that a share of the samples does not pass (nearest rank), as the middle of its bucket; null of an empty one.
 * @param share 0…1
 */
export function quantile(histogram: Histogram, share: number): number | null {
  const buckets = Object.entries(histogram)
    .map(([bucket, count]) => ({ bucket: Number(bucket), count }))
    .sort((a, b) => a.bucket - b.bucket)
  const total = buckets.reduce((sum, { count }) => sum + count, 0)
  const rank = Math.max(1, Math.ceil(share * total))
  let passed = 0
  for (const { bucket, count } of buckets) {
    passed += count
    if (passed >= rank) return 2 ** ((bucket + 0.5) / HISTOGRAM.perOctave)
  }
  return null
}

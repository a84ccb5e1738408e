import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bucketOf,
  EMPTY,
  HISTOGRAM,
  merged,
  quantile,
  withSample,
} from '../../../../gateway/market/health/histogram.ts'

const WIDTH = 2 ** (1 / HISTOGRAM.perOctave)
const of = (values: readonly number[]) => values.reduce(withSample, EMPTY)
/** Of values between one of the lowest and one of the highest bucket. */
const samples = fc.array(fc.double({ min: 0.07, max: 3_600_000, noNaN: true }), { maxLength: 200 })
const exact = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.max(1, Math.ceil(share * values.length)) - 1] ?? NaN

describe('a histogram', () => {
  it.each([
    [1, 0],
    [2, 4],
    [90.5, 25],
    [90.6, 26],
    [107.6, 26],
    [107.7, 27],
    [0.1, -14],
    [0, HISTOGRAM.lowest],
    [1e12, HISTOGRAM.highest],
  ])('puts %d into bucket %d', (value, bucket) => expect(bucketOf(value)).toBe(bucket))

  it('knows nothing of nothing', () => expect(quantile(EMPTY, 0.5)).toBeNull())

  it('loses at most the width of a bucket, however its parts were merged', () => {
    fc.assert(
      fc.property(
        fc.array(samples, { minLength: 1, maxLength: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (parts, share) => {
          const all = parts.flat()
          const known = quantile(merged(parts.map(of)), share)
          if (all.length === 0) return known === null
          const ratio = (known ?? NaN) / exact(all, share)
          return ratio < WIDTH && ratio > 1 / WIDTH
        },
      ),
    )
  })

  it('is the same in whatever order it was merged', () => {
    fc.assert(
      fc.property(samples, samples, samples, (a, b, c) => {
        const [x, y, z] = [of(a), of(b), of(c)]
        expect(merged([merged([x, y]), z])).toEqual(merged([z, merged([y, x])]))
        expect(merged([x, y])).toEqual(of([...a, ...b]))
      }),
    )
  })

  it('stays small: it has no more entries than buckets', () => {
    const many = of(Array.from({ length: 5_000 }, (_, i) => 1.01 ** i))
    expect(Object.keys(many).length).toBeLessThanOrEqual(HISTOGRAM.highest - HISTOGRAM.lowest + 1)
  })
})

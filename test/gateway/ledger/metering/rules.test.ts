// Metering's rules: percentiles against the exact ones, ranges and what they are put together of, and the sums of several books.
import { describe, expect, it } from 'vitest'
import {
  bucketOf,
  bucketsOf,
  BUCKETS_PER_OCTAVE,
  latencyOf,
  countsOf,
  mergedCounts,
  NO_COUNTS,
  type Counts,
} from '../../../../gateway/ledger/metering/latency.ts'
import { DAY_MS, HOUR_MS, rangeBefore, spansOf, wholeRange } from '../../../../gateway/ledger/metering/ranges.ts'
import { byCharge, merged, NOTHING, totalOf, type Sums } from '../../../../gateway/ledger/metering/sums.ts'

/** Park and Miller's: the same numbers every time. */
function drawn(seed: number): () => number {
  let state = seed
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
}
const countsOfMs = (all: readonly number[]): Counts => countedRows(all.map((ms) => bucketOf('d', ms)))
const countedRows = (buckets: readonly string[]): Counts => countsOf(buckets.map((bucket) => ({ [bucket]: 1 })))
/** Nearest rank. */
const exact = (all: readonly number[], share: number): number =>
  [...all].sort((a, b) => a - b)[Math.max(1, Math.ceil(share * all.length)) - 1] ?? 0

describe('latency', () => {
  const random = drawn(7)
  const shapes: [string, () => number][] = [
    ['evenly spread', () => Math.floor(random() * 30_000)],
    ['with a long tail', () => Math.floor(50 * Math.exp(4 * random()) ** 1.7)],
    ['of two kinds', () => (random() < 0.9 ? 80 : 9_000) + Math.floor(random() * 40)],
    ['of a few ms', () => Math.floor(random() * 12)],
  ]

  it.each(shapes)('is within a twentieth of the exact percentile: calls %s', (_, draw) => {
    for (const size of [1, 2, 10, 101, 5_000]) {
      const all = Array.from({ length: size }, draw)
      const view = latencyOf(countsOfMs(all), 'd')
      for (const [name, share] of [
        ['p50', 0.5],
        ['p90', 0.9],
        ['p99', 0.99],
      ] as const) {
        const should = exact(all, share)
        expect(Math.abs((view?.[name] ?? -1) - should)).toBeLessThanOrEqual(should * 0.05 + 0.5)
      }
    }
  })

  it('has buckets that are at most a tenth apart, and single ms told as they are', () => {
    expect(2 ** (1 / BUCKETS_PER_OCTAVE)).toBeLessThan(1.1)
    for (let ms = 0; ms <= 12; ms++) expect(latencyOf(countsOfMs([ms]), 'd')?.p50).toBe(ms)
  })

  it('says nothing of no calls, and keeps its two measures apart', () => {
    expect(latencyOf(NO_COUNTS, 'd')).toBeNull()
    const counts = countedRows(bucketsOf({ outcome: 'complete', startedAt: 0, firstTokenAt: 100, endedAt: 5_000 }))
    expect(latencyOf(counts, 'f')?.p99).toBeLessThan(110)
    expect(latencyOf(counts, 'd')?.p50).toBeGreaterThan(4_700)
  })

  it.each([
    ['complete', 100, 2],
    ['complete', null, 1],
    ['cancelled', 100, 1],
    ['failed', null, 0],
    ['expired', 100, 1],
  ] as const)('of a call that ended %s with first token %s has %i measures', (outcome, firstTokenAt, measures) => {
    expect(bucketsOf({ outcome, startedAt: 0, firstTokenAt, endedAt: 200 })).toHaveLength(measures)
  })

  it('of several hours is that of all their calls', () => {
    const all = Array.from({ length: 500 }, () => Math.floor(random() * 9_000))
    const hours = [all.slice(0, 100), [], all.slice(100)].map(countsOfMs)
    expect(latencyOf(mergedCounts(hours), 'd')).toEqual(latencyOf(countsOfMs(all), 'd'))
  })

  it('takes clocks that went back for no time at all', () => {
    expect(bucketOf('d', -5)).toBe('d0')
  })
})

describe('a range', () => {
  const at = (text: string) => Date.parse(text)
  const asked = (from: string, to: string, step: 'hour' | 'day' = 'hour') => wholeRange({ from, to, step })

  it('goes from the start of its first step to the end of its last', () => {
    expect(asked('2026-01-01T10:59:59Z', '2026-01-01T12:00:01Z')).toEqual({
      ok: true,
      range: { step: 'hour', from: at('2026-01-01T10:00:00Z'), to: at('2026-01-01T13:00:00Z') },
    })
    expect(asked('2026-01-01T10:00:00Z', '2026-01-01T12:00:00Z')).toMatchObject({
      range: { to: at('2026-01-01T12:00:00Z') },
    })
    expect(asked('2026-01-01T10:00:00Z', '2026-01-02T00:00:00Z', 'day')).toMatchObject({
      range: { from: at('2026-01-01T00:00:00Z'), to: at('2026-01-02T00:00:00Z') },
    })
  })

  it.each([
    ['2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z', 'hour', null],
    ['2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.001Z', 'hour', 'from'],
    ['2025-01-01T00:00:00.000Z', '2026-02-05T00:00:00.000Z', 'day', null],
    ['2025-01-01T00:00:00.000Z', '2026-02-05T00:00:00.001Z', 'day', 'from'],
    ['2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 'hour', 'to'],
    ['2026-01-01T00:00:00.000Z', '2025-01-01T00:00:00.000Z', 'day', 'to'],
    ['1969-12-31T00:00:00.000Z', '1970-01-02T00:00:00.000Z', 'day', 'from'],
  ] as const)('from %s to %s by the %s is refused by the field %s', (from, to, step, param) => {
    const ranged = wholeRange({ from, to, step })
    expect(ranged.ok ? null : ranged.param).toBe(param)
  })

  it('before has the same length', () => {
    expect(rangeBefore({ step: 'hour', from: 10, to: 30 })).toEqual({ step: 'hour', from: -10, to: 10 })
  })

  it.each([
    ['2026-01-01T10:00Z', '2026-01-01T12:00Z', ['hour 2']],
    ['2026-01-01T22:00Z', '2026-01-02T02:00Z', ['hour 4']],
    ['2026-01-30T22:00Z', '2026-02-02T02:00Z', ['hour 2', 'day 2', 'hour 2']],
    ['2026-01-01T00:00Z', '2026-02-01T00:00Z', ['month 31']],
    ['2025-12-31T23:00Z', '2026-03-02T01:00Z', ['hour 1', 'month 59', 'day 1', 'hour 1']],
    ['2025-11-29T00:00Z', '2027-01-02T00:00Z', ['day 2', 'month 396', 'day 1']],
  ])('from %s to %s is put together of %o', (from, to, pieces) => {
    const spans = spansOf({ from: at(from), to: at(to) })
    expect(spans.map(({ step, from, to }) => `${step} ${(to - from) / (step === 'hour' ? HOUR_MS : DAY_MS)}`)).toEqual(
      pieces,
    )
    expect([spans[0]?.from, spans.at(-1)?.to]).toEqual([at(from), at(to)])
    spans.slice(1).forEach((span, index) => expect(span.from).toBe(spans[index]?.to))
  })

  it('is put together of days alone where there are no months', () => {
    expect(spansOf({ from: at('2026-01-01T00:00Z'), to: at('2026-03-01T00:00Z') }, false)).toMatchObject([
      { step: 'day' },
    ])
  })
})

describe('sums', () => {
  const aSum = (charge: bigint, calls = 1): Sums => ({ ...NOTHING, calls, chargeNanos: charge })

  it('of several books are added up, to the nano beyond what a float has', () => {
    const big = 2n ** 53n + 1n
    const all = merged(
      [
        { id: 'a', ...aSum(big) },
        { id: 'b', ...aSum(1n) },
        { id: 'a', ...aSum(big) },
      ],
      ({ id }) => id,
    )
    expect(all.get('a')).toMatchObject({ calls: 2, chargeNanos: 2n * big })
    expect(totalOf(all.values()).chargeNanos).toBe(2n * big + 1n)
  })

  it('are told by the charge, then by calls, then by name', () => {
    const all = new Map([
      ['d', aSum(1n)],
      ['b', aSum(1n, 2)],
      ['a', aSum(1n)],
      ['c', aSum(9n)],
    ])
    expect(byCharge(all, 3).map(([id]) => id)).toEqual(['c', 'b', 'a'])
  })
})

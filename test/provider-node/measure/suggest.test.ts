// Prices that bring in what was asked for, never less: to the nano, and property by property.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OfferPrices } from '../../../protocol/node.ts'
import { fromUsd, nanos } from '../../../protocol/units.ts'
import type { Pace } from '../../../provider-node/measure/drive.ts'
import { hourlyNanos, rounded, suggestPrices } from '../../../provider-node/measure/suggest.ts'

const aPace = (fields: Partial<Pace>): Pace => ({
  concurrency: 1,
  calls: 0,
  inputTokens: 0,
  outputTokens: 0,
  bytes: 0,
  vectors: 0,
  firstMs: null,
  callMs: 1,
  ...fields,
})

describe('hourlyNanos', () => {
  it.each([
    [{ watts: '250', perKwh: '0.4' }, 100_000_000n],
    [{ watts: '1000', perKwh: '0.3', perHour: '1' }, 1_300_000_000n],
    [{ perHour: '0.000000001' }, 1n],
    [{ watts: '0.5', perKwh: '0.000000001' }, 1n],
    [{}, 0n],
  ])('of %j', (costs, expected) => {
    expect(hourlyNanos(costs)).toBe(expected)
  })

  it.each([[{ perHour: 'much' }], [{ perHour: '1.0000000001' }], [{ watts: '1e3', perKwh: '1' }]])(
    'refuses %j',
    (costs) => {
      expect(() => hourlyNanos(costs)).toThrow(RangeError)
    },
  )
})

describe('suggestPrices', () => {
  it.each([
    // An hour is 3,600,000 input tokens and as many output tokens at four times: 18 million units for 0.18 dollars.
    ['chat', { inputTokens: 1_000, outputTokens: 1_000 }, { inputPerMillion: '0.01', outputPerMillion: '0.04' }],
    ['embeddings', { inputTokens: 50_000 }, { inputPerMillion: '0.001', outputPerMillion: '0' }],
    ['classification', { bytes: 500_000 }, { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '0.0001' }],
    ['tensors', { bytes: 50_000_000 }, { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '0.000001' }],
  ] as const)('for %s at %j', (task, done, prices) => {
    expect(suggestPrices(task, aPace(done), nanos(180_000_000n))).toEqual({ ...prices, perCall: '0' })
  })

  it('says nothing of a model that did nothing that is paid for', () => {
    expect(suggestPrices('chat', aPace({ bytes: 10 }), nanos(1n))).toBeNull()
  })

  it('brings in what was asked for, and gives prices the wire takes', () => {
    const rates = fc.record({
      inputTokens: fc.integer({ min: 1, max: 100_000 }),
      outputTokens: fc.integer({ min: 0, max: 100_000 }),
    })
    fc.assert(
      fc.property(rates, fc.bigInt({ min: 1n, max: 100_000_000_000n }), (done, hour) => {
        const prices = OfferPrices.parse(suggestPrices('chat', aPace(done), nanos(hour)))
        const earned =
          (BigInt(done.inputTokens) * fromUsd(prices.inputPerMillion) +
            BigInt(done.outputTokens) * fromUsd(prices.outputPerMillion)) *
          3_600n
        expect(earned).toBeGreaterThanOrEqual(hour * 1_000_000n)
      }),
    )
  })
})

describe('rounded', () => {
  it.each([
    [0n, 0n],
    [999n, 999n],
    [1_000n, 1_000n],
    [1_001n, 1_010n],
    [123_456n, 124_000n],
    [10n ** 14n, 10n ** 14n - 1n],
  ])('%i becomes %i', (amount, expected) => {
    expect(rounded(amount)).toBe(expected)
  })
})

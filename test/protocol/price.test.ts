import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OfferPrices } from '../../protocol/node.ts'
import { costOf, isNoUnits, isPriceTooHigh, priceMaxUsd, type Price } from '../../protocol/price.ts'
import { bytes, fromUsd, nanos, tokens } from '../../protocol/units.ts'

const price = (input: bigint, output: bigint, perCall = 0n): Price => ({
  inputPerMillion: nanos(input),
  outputPerMillion: nanos(output),
  cachedInputPerMillion: nanos(0n),
  bytesPerMillion: nanos(0n),
  perCall: nanos(perCall),
})
const units = (input: bigint, output: bigint) => ({ inputTokens: tokens(input), outputTokens: tokens(output) })

describe('costOf', () => {
  it.each([
    ['the worked value', 12n, 100n, price(10_000_000n, 10_000_000n), 1_120n],
    ['nothing for nothing', 0n, 0n, price(5n, 5n), 0n],
    ['the price of a call alone', 0n, 0n, price(5n, 5n, 7n), 7n],
    ['one nano for the smallest fraction', 1n, 0n, price(1n, 0n), 1n],
    ['both fractions together, rounded once', 1n, 1n, price(500_000n, 500_000n), 1n],
    ['one more for one millionth more', 1n, 1n, price(500_000n, 500_001n), 2n],
    ['a free offer', 1_000n, 1_000n, price(0n, 0n), 0n],
  ])('charges %s', (_, input, output, at, cost) => {
    expect(costOf(units(input, output), at)).toBe(cost)
  })
  it.each([
    ['a million bytes at their price', 1_000_000n, 7n, 7n],
    ['the smallest fraction as a nano', 1n, 1n, 1n],
    ['no bytes as nothing', 0n, 7n, 0n],
    ['a fraction more as one nano more', 1_000_001n, 7n, 8n],
  ])('counts %s', (_, count, rate, cost) => {
    const at = { ...price(0n, 0n), bytesPerMillion: nanos(rate) }
    expect(costOf({ ...units(0n, 0n), tensorBytes: bytes(count) }, at)).toBe(cost)
  })
  it('rounds words and bytes up once, together', () => {
    const at = { ...price(400_000n, 0n), bytesPerMillion: nanos(600_000n) }
    expect(costOf({ ...units(1n, 0n), tensorBytes: bytes(1n) }, at)).toBe(1n)
    expect(costOf({ ...units(1n, 0n), tensorBytes: bytes(2n) }, at)).toBe(2n)
  })
  it('never falls when a unit is added', () => {
    const count = fc.bigInt({ min: 0n, max: 10_000_000n })
    const rate = fc.bigInt({ min: 0n, max: 10n ** 12n })
    fc.assert(
      fc.property(count, count, rate, rate, (input, output, a, b) => {
        const cost = costOf(units(input, output), price(a, b))
        expect(costOf(units(input + 1n, output), price(a, b))).toBeGreaterThanOrEqual(cost)
        expect(costOf(units(input, output + 1n), price(a, b))).toBeGreaterThanOrEqual(cost)
        expect(cost * 1_000_000n).toBeGreaterThanOrEqual(input * a + output * b)
      }),
    )
  })
  it('stays below 2^53 nanos for the dearest call that an offer may ask for', () => {
    const dearest = OfferPrices.parse({
      inputPerMillion: '99999.999999999',
      outputPerMillion: '99999.999999999',
      perCall: '99999.999999999',
    })
    const at = price(fromUsd(dearest.inputPerMillion), fromUsd(dearest.outputPerMillion), fromUsd(dearest.perCall))
    expect(costOf(units(12_000_000n, 1_000_000n), at)).toBeLessThan(2n ** 53n)
    expect(OfferPrices.safeParse({ inputPerMillion: '100000', outputPerMillion: '0' }).success).toBe(false)
  })
})

describe('isNoUnits', () => {
  it.each([
    [units(0n, 0n), true],
    [{ ...units(0n, 0n), tensorBytes: bytes(0n) }, true],
    [units(1n, 0n), false],
    [units(0n, 1n), false],
    [{ ...units(0n, 0n), tensorBytes: bytes(1n) }, false],
  ])('of %o is %s', (counted, isNone) => {
    expect(isNoUnits(counted)).toBe(isNone)
  })
})

describe('the highest price', () => {
  it.each([
    ['inputPerMillion', '1000'],
    ['outputPerMillion', '1000'],
    ['cachedInputPerMillion', '1000'],
    ['bytesPerMillion', '1000'],
    ['perCall', '10'],
  ] as const)('of %s is %s dollars', (part, most) => {
    expect(priceMaxUsd(part)).toBe(most)
    expect(isPriceTooHigh(part, most)).toBe(false)
    expect(isPriceTooHigh(part, `${most}.000000001`)).toBe(true)
  })
})

import { describe, expect, it } from 'vitest'
import { inputBound, lengthBound, outputBound, promptsBound, quote } from '../../../../gateway/inference/order/quote.ts'
import type { Offer } from '../../../../gateway/market/market-port.ts'
import type { Units } from '../../../../protocol/price.ts'
import { nanos, tokens } from '../../../../protocol/units.ts'
import { aModel, anOffer, aPrice } from '../../../support/workers/builders.ts'

describe('the bound of the input', () => {
  it('is bytes over the fewest bytes per token, plus the template', () => {
    expect(inputBound(100, 1, aModel())).toBe(107n)
    expect(inputBound(100, 2, aModel({ bytesPerTokenMin: 3 }))).toBe(34n + 4n + 6n)
  })
  it('is never above the context, once per separate input', () => {
    expect(inputBound(505, 1, aModel())).toBe(512n)
    expect(inputBound(506, 1, aModel())).toBe(512n)
    expect(inputBound(5_000, 1, aModel(), 3)).toBe(1_536n)
  })
})

it('the length of one sequence is bounded by its bytes alone, whether or not it fits', () => {
  expect(lengthBound(505, 1, aModel())).toBe(512n)
  expect(lengthBound(5_000, 2, aModel({ bytesPerTokenMin: 3 }))).toBe(1_667n + 4n + 6n)
})

it('the bound of several prompts is that of each, none above the context', () => {
  expect(promptsBound([100, 10], aModel())).toBe(118n)
  expect(promptsBound([5_000, 0], aModel())).toBe(516n)
})

describe('the bound of the output', () => {
  it.each([
    [undefined, 100n],
    [null, 100n],
    [1, 1n],
    [100, 100n],
    [101, 100n],
  ])('asked %s gives %s', (asked, most) => expect(outputBound(asked, aModel())).toBe(most))
})

describe('the quote', () => {
  const most = { inputTokens: tokens(12), outputTokens: tokens(100) }
  const quoted = (units: Units, ...offers: Offer[]) => quote(offers.map((offer) => ({ most: units, offer })))
  it('is the dearest of the permitted offers', () => {
    expect(quoted(most, anOffer())).toBe(1_120n)
    expect(quoted(most, anOffer(), anOffer({ price: aPrice({ perCall: nanos(5n) }) }))).toBe(1_125n)
  })
  it('rounds the sum up once', () => {
    const price = aPrice({ inputPerMillion: nanos(1n), outputPerMillion: nanos(1n) })
    expect(quoted(most, anOffer({ price }))).toBe(1n)
    expect(quoted({ inputTokens: tokens(0), outputTokens: tokens(0) }, anOffer({ price }))).toBe(0n)
  })
})

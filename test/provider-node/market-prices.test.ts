import { describe, expect, it } from 'vitest'
import { priceWarnings } from '../../provider-node/market-prices.ts'
import { pricesOf } from './cli/souk-node.ts'

const range = (low: string, median: string) => ({
  model: 'a/b',
  offers: 2,
  low: pricesOf(low),
  median: pricesOf(median),
  high: pricesOf('9'),
})
const asking = (inputPerMillion: string) => ({ inputPerMillion, outputPerMillion: '0', perCall: '0' })

describe('priceWarnings', () => {
  it.each([
    ['0.10', '0.05', '0.06', []],
    ['0.100000001', '0.05', '0.06', ['lowest']],
    ['0.12', '0.05', '0.06', ['lowest']],
    ['0.120000001', '0.05', '0.06', ['median']],
    ['5', '0', '0', []],
    ['5', '0', '1', ['median']],
  ])('of %s where the lowest is %s and the median %s: %j', (own, low, median, beyond) => {
    const words = priceWarnings(asking(own), range(low, median)).map((text) => /the (lowest|median)/.exec(text)?.[1])
    expect(words).toEqual(beyond)
  })

  it('has nothing to say where nobody else offers the model', () => {
    expect(priceWarnings(asking('99'), { model: 'a/b', offers: 0, low: null, median: null, high: null })).toEqual([])
  })
})

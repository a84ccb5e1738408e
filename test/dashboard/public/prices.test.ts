// What the market says of a model's price: to the last digit that its operator asks.
import { describe, expect, it } from 'vitest'
import { priceWords } from '../../../gateway/dashboard/public/prices.ts'

/** Half a thousandth of a dollar a million: per token it is rounded up to a whole nano. */
const FINE = {
  ...{ prompt: '0.000000001', completion: '0.000000002', request: '0.000000000', byte: '0.000000001' },
  per_million: { prompt: '0.000500000', completion: '0.001000001', byte: '0.000000001' },
}

describe('a price', () => {
  it.each([
    ['chat', ['$0.0005 per million input tokens', '$0.001000001 per million output tokens']],
    ['embeddings', ['$0.0005 per million input tokens']],
    ['tensors', ['$0.000000001 per MB of tensors']],
  ] as const)('of the task %s is exact', (task, words) => {
    expect(priceWords({ task, pricing: FINE })).toEqual(words)
  })

  it('names the price of a call where there is one, and says when nobody offers the model', () => {
    expect(priceWords({ task: 'tensors', pricing: { ...FINE, request: '0.020000000' } })).toEqual([
      '$0.000000001 per MB of tensors',
      '$0.02 per call',
    ])
    expect(priceWords({ task: 'chat', pricing: null })).toEqual(['nobody offers it now'])
  })

  it('of a gateway that says it per unit only is what a unit costs, a million times', () => {
    const { per_million: _, ...pricing } = FINE
    expect(priceWords({ task: 'embeddings', pricing })).toEqual(['$0.001 per million input tokens'])
  })
})

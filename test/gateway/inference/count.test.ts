import { describe, expect, it } from 'vitest'
import { countUnits, isOverOrder, type Observed } from '../../../gateway/inference/count.ts'
import { tokens } from '../../../protocol/units.ts'

const observed = (over: Partial<Observed> = {}): Observed => ({
  claim: { prompt_tokens: 9, completion_tokens: 7 },
  outputBytes: 20,
  outputEvents: 5,
  bytesPerTokenMin: 1,
  most: { inputTokens: tokens(50), outputTokens: tokens(100) },
  ...over,
})

describe('what of a claim is believed', () => {
  it('takes an honest claim as it is', () => {
    expect(countUnits(observed())).toEqual({ inputTokens: 9n, outputTokens: 7n })
  })
  it('counts output up to the relayed bytes, and up to what was ordered', () => {
    expect(countUnits(observed({ claim: { prompt_tokens: 9, completion_tokens: 20 } })).outputTokens).toBe(20n)
    expect(countUnits(observed({ claim: { prompt_tokens: 9, completion_tokens: 21 } })).outputTokens).toBe(20n)
    expect(
      countUnits(observed({ claim: { prompt_tokens: 9, completion_tokens: 9_000 }, outputBytes: 5_000 })).outputTokens,
    ).toBe(100n)
    expect(
      countUnits(observed({ claim: { prompt_tokens: 9, completion_tokens: 20 }, bytesPerTokenMin: 3 })).outputTokens,
    ).toBe(7n)
  })
  it('counts input up to the bound of the body', () => {
    expect(countUnits(observed({ claim: { prompt_tokens: 51, completion_tokens: 0 } })).inputTokens).toBe(50n)
  })
  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a string', { prompt_tokens: '9', completion_tokens: 7 }],
    ['a negative number', { prompt_tokens: 9, completion_tokens: -7 }],
    ['not a number', { prompt_tokens: Number.NaN, completion_tokens: 7 }],
    ['a fraction', { prompt_tokens: 9, completion_tokens: 7.5 }],
    ['an unsafe integer', { prompt_tokens: 9, completion_tokens: 2 ** 60 }],
    ['half of it', { completion_tokens: 7 }],
  ])('ignores %s: no input is charged, and of the output what events prove', (_, claim) => {
    expect(countUnits(observed({ claim }))).toEqual({ inputTokens: 0n, outputTokens: 5n })
    expect(countUnits(observed({ claim, outputBytes: 3 })).outputTokens).toBe(3n)
  })
  it('says when a node claims more than was ordered', () => {
    expect(isOverOrder(observed({ claim: { prompt_tokens: 1, completion_tokens: 100 } }))).toBe(false)
    expect(isOverOrder(observed({ claim: { prompt_tokens: 1, completion_tokens: 101 } }))).toBe(true)
    expect(isOverOrder(observed({ claim: null }))).toBe(false)
  })
})

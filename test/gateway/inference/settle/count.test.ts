import { describe, expect, it } from 'vitest'
import { countUnits, isOverOrder, type Observed } from '../../../../gateway/inference/settle/count.ts'
import { tokens } from '../../../../protocol/units.ts'

const observed = (over: Partial<Observed> = {}): Observed => ({
  claim: { prompt_tokens: 9, completion_tokens: 7 },
  outputBytes: 20,
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
    [0, 0n],
    [1, 1n],
    [16, 1n],
    [17, 2n],
    [1_600, 100n],
    [1_601, 100n],
  ])('charges no input without one, and of %i bytes what they prove', (outputBytes, outputTokens) => {
    expect(countUnits(observed({ claim: null, outputBytes }))).toEqual({ inputTokens: 0n, outputTokens })
  })
  it('takes a claim of nothing as nothing: it is never replaced by an estimate', () => {
    const claim = { prompt_tokens: 0, completion_tokens: 0 }
    expect(countUnits(observed({ claim, outputBytes: 10_000 }))).toEqual({ inputTokens: 0n, outputTokens: 0n })
  })
  it('says when a node claims more than was ordered', () => {
    const claiming = (completion_tokens: number, outputBytes: number) =>
      isOverOrder(observed({ claim: { prompt_tokens: 1, completion_tokens }, outputBytes }))
    expect(claiming(100, 200)).toBe(false)
    expect(claiming(101, 200)).toBe(true)
    expect(claiming(101, 101)).toBe(true)
    // What its bytes cannot be is a lie, and cuts no answer.
    expect(claiming(101, 100)).toBe(false)
    expect(isOverOrder(observed({ claim: null }))).toBe(false)
  })
})

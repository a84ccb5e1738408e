import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { greedyToken, sampleToken, seededRandom } from '../../../provider-node/engines/sampling.ts'

const logits = Float32Array.from([0, 3, 1, 3, -2])

describe('choosing a token', () => {
  it('takes the likeliest at temperature 0, the first of equal ones', () => {
    expect(greedyToken(logits)).toBe(1)
    expect(sampleToken(logits, { temperature: 0, topP: 1 }, 0.99)).toBe(1)
  })

  it.each([
    [0, 0],
    [0.25, 1],
    [0.75, 2],
  ])('follows the probabilities: %f draws token %i', (uniform, token) => {
    // 0.25, 0.25 and 0.5
    const weights = Float32Array.from([Math.log(1), Math.log(1), Math.log(2)])
    expect(sampleToken(weights, { temperature: 1, topP: 1 }, uniform)).toBe(token)
  })

  it('draws from the nucleus only', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (uniform) => {
        expect([1, 3]).toContain(sampleToken(logits, { temperature: 1, topP: 0.8 }, uniform))
        expect(sampleToken(logits, { temperature: 1, topP: 1e-9 }, uniform)).toBe(1)
      }),
    )
  })

  it('approaches the likeliest token when the temperature is tiny', () => {
    expect(sampleToken(Float32Array.from([1, 5, 4]), { temperature: 1e-6, topP: 1 }, 0.999)).toBe(1)
  })

  it('repeats its random numbers for a seed, and gives others for another', () => {
    const numbers = (seed: number) => Array.from({ length: 5 }, seededRandom(seed))
    expect(numbers(7)).toEqual(numbers(7))
    expect(numbers(7)).not.toEqual(numbers(8))
    expect(numbers(2 ** 32)).not.toEqual(numbers(0))
    expect(numbers(-1)).toEqual(numbers(-1))
    expect(numbers(Number.MAX_SAFE_INTEGER).every((number) => number >= 0 && number < 1)).toBe(true)
  })
})

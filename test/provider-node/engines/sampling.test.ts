import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choiceSeed, greedyToken, sampleToken, seededRandom } from '../../../provider-node/engines/sampling.ts'

const logits = Float32Array.from([0, 3, 1, 3, -2])

describe('choosing a token', () => {
  it('takes the likeliest at temperature 0, the first of equal ones', () => {
    expect(greedyToken(logits)).toBe(1)
    expect(sampleToken(logits, { temperature: 0, topP: 1, topK: 0 }, 0.99)).toBe(1)
  })

  it.each([
    [0, 0],
    [0.25, 1],
    [0.75, 2],
  ])('follows the probabilities: %f draws token %i', (uniform, token) => {
    // 0.25, 0.25 and 0.5
    const weights = Float32Array.from([Math.log(1), Math.log(1), Math.log(2)])
    expect(sampleToken(weights, { temperature: 1, topP: 1, topK: 0 }, uniform)).toBe(token)
  })

  it('draws from the nucleus only', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (uniform) => {
        expect([1, 3]).toContain(sampleToken(logits, { temperature: 1, topP: 0.8, topK: 0 }, uniform))
        expect(sampleToken(logits, { temperature: 1, topP: 1e-9, topK: 0 }, uniform)).toBe(1)
      }),
    )
  })

  it('approaches the likeliest token when the temperature is tiny', () => {
    expect(sampleToken(Float32Array.from([1, 5, 4]), { temperature: 1e-6, topP: 1, topK: 0 }, 0.999)).toBe(1)
  })

  it('repeats its random numbers for a seed, and gives others for another', () => {
    const numbers = (seed: number) => Array.from({ length: 5 }, seededRandom(seed))
    expect(numbers(7)).toEqual(numbers(7))
    expect(numbers(7)).not.toEqual(numbers(8))
    expect(numbers(2 ** 32)).not.toEqual(numbers(0))
    expect(numbers(-1)).toEqual(numbers(-1))
    expect(numbers(Number.MAX_SAFE_INTEGER).every((number) => number >= 0 && number < 1)).toBe(true)
  })

  it('gives choice 0 the seed itself, and every other choice one of its own that the seed decides', () => {
    for (const seed of [0, 1, 7, -1, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]) {
      expect(choiceSeed(seed, 0)).toBe(seed)
      const seeds = Array.from({ length: 8 }, (_, choice) => choiceSeed(seed, choice))
      expect(seeds.every(Number.isSafeInteger)).toBe(true)
      expect(new Set(seeds).size).toBe(8)
      expect(seeds).toEqual(Array.from({ length: 8 }, (_, choice) => choiceSeed(seed, choice)))
    }
    // The next seed's first choice is not this one's second.
    expect(choiceSeed(1, 1)).not.toBe(choiceSeed(2, 0))
  })
})

/** The rule written out over a sorted list. */
function candidates(values: readonly number[], topK: number, topP: number): Set<number> {
  const highest = Math.max(...values)
  const order = values
    .map((logit, token) => ({ token, weight: Math.exp(logit - highest) }))
    .sort((a, b) => b.weight - a.weight || a.token - b.token)
  const kept = topK > 0 ? order.slice(0, topK) : order
  const total = kept.reduce((sum, { weight }) => sum + weight, 0)
  let sum = 0
  const last = kept.findIndex(({ weight }) => (sum += weight) >= total * topP)
  return new Set(kept.slice(0, last < 0 ? undefined : last + 1).map(({ token }) => token))
}

describe('the cuts', () => {
  const uniforms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  // Multiples of 1/4, so that equal logits happen and both ways of adding give the same sums but for the last digits.
  const someLogits = fc.array(
    fc.integer({ min: -40, max: 40 }).map((quarters) => quarters / 4),
    { minLength: 1, maxLength: 300 },
  )

  it('keep the likeliest topK, and of them the fewest that reach topP, the lower token of equal ones', () => {
    fc.assert(
      fc.property(
        someLogits,
        fc.nat(310),
        fc.constantFrom(0.05, 0.3, 0.61, 0.9, 0.9999),
        uniforms,
        (values, topK, topP, uniform) => {
          const token = sampleToken(Float32Array.from(values), { temperature: 1, topP, topK }, uniform)
          expect([...candidates(values, topK, topP)]).toContain(token)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it.each([
    [[2, 1, 3, 0, 1], 1, 1],
    [[2, 1, 3, 0, 1], 3, 1],
    [[2, 1, 3, 0, 1], 0, 0.9],
    [[2, 1, 3, 0, 1], 4, 0.8],
    // Equal ones, and such as are nearly equal: the last of them that is needed is known exactly.
    [new Array<number>(10).fill(1), 0, 0.45],
    [[1, 1.001, 1.002, 1.0005], 0, 0.5],
    [[0, 1, 1.001, 1.002, 1.0005], 4, 0.5],
  ])('reach every token they keep of %j, and none but those', (values, topK, topP) => {
    const drawn = new Set<number>()
    for (let step = 0; step < 1_000; step++)
      drawn.add(sampleToken(Float32Array.from(values), { temperature: 1, topP, topK }, step / 1_000))
    expect([...drawn].sort()).toEqual([...candidates(values, topK, topP)].sort())
  })

  it('cut topK first: the share of topP is of what is left', () => {
    // 0.4, 0.3, 0.2, 0.1: of the first two alone, the likeliest is 0.57 of them.
    const values = Float32Array.from([0.4, 0.3, 0.2, 0.1].map(Math.log))
    expect(sampleToken(values, { temperature: 1, topP: 0.5, topK: 2 }, 0.999)).toBe(0)
    expect(sampleToken(values, { temperature: 1, topP: 0.5, topK: 0 }, 0.999)).toBe(1)
  })

  it('draw as often as the probabilities say', () => {
    const values = Float32Array.from([0.5, 0.3, 0.2].map(Math.log))
    const random = seededRandom(11)
    const counts = [0, 0, 0]
    for (let draw = 0; draw < 20_000; draw++) {
      const token = sampleToken(values, { temperature: 1, topP: 1, topK: 2 }, random())
      counts[token] = (counts[token] ?? 0) + 1
    }
    expect(counts[0]).toBeGreaterThan(20_000 * 0.61)
    expect(counts[0]).toBeLessThan(20_000 * 0.64)
    expect(counts[2]).toBe(0)
  })

  it('never draw a token of probability zero', () => {
    const values = Float32Array.from([-Infinity, 0, -Infinity, -Infinity])
    for (const uniform of [0, 0.5, 1 - 2 ** -32])
      for (const topK of [0, 3])
        for (const topP of [1, 0.9999]) expect(sampleToken(values, { temperature: 2, topP, topK }, uniform)).toBe(1)
  })

  it('choose from a vocabulary of 200,000 in milliseconds', () => {
    const random = seededRandom(3)
    const values = Float32Array.from({ length: 200_000 }, () => random() * 20)
    const began = performance.now()
    for (let draw = 0; draw < 10; draw++) sampleToken(values, { temperature: 0.8, topP: 0.95, topK: 40 }, random())
    // A full sort takes a hundred each.
    expect((performance.now() - began) / 10).toBeLessThan(40)
  })
})

// From a vector per token to one per text: the arithmetic.
import { describe, expect, it } from 'vitest'
import { normalised, pooled, shortened } from '../../../../../provider-node/engines/onnx/runners/pooling.ts'

// Two texts, three tokens wide, two dimensions; 99 stands where a text is padded.
const STATES = Float32Array.of(1, 2, 3, 4, 99, 99, 10, 20, 30, 40, 50, 63)
const LENGTHS = [2, 3]

describe('pooling', () => {
  it.each([
    [
      'mean',
      [
        [2, 3],
        [30, 41],
      ],
    ],
    [
      'cls',
      [
        [1, 2],
        [10, 20],
      ],
    ],
    [
      'last',
      [
        [3, 4],
        [50, 63],
      ],
    ],
  ] as const)('%s leaves out what is padding', (how, expected) => {
    expect(pooled(STATES, LENGTHS, 2, how).map((vector) => [...vector])).toEqual(expected)
  })

  it('gives vectors of their own', () => {
    const [vector] = pooled(STATES, LENGTHS, 2, 'cls')
    vector?.fill(0)
    expect(STATES[0]).toBe(1)
  })
})

describe('a vector', () => {
  it.each([
    [
      [3, 4],
      [0.6, 0.8],
    ],
    [
      [0, 0],
      [0, 0],
    ],
    [
      [-2, 0],
      [-1, 0],
    ],
  ])('%j is %j at length 1', (vector, expected) => {
    normalised(Float32Array.from(vector)).forEach((value, index) =>
      expect(value).toBeCloseTo(expected[index] ?? NaN, 6),
    )
  })

  it.each([
    [null, [3, 4, 12]],
    [3, [3, 4, 12]],
    [2, [0.6, 0.8]],
    [1, [1]],
  ])('cut to %s dimensions has length 1 again, and uncut it is as it was', (dimensions, expected) => {
    const cut = [...shortened(Float32Array.of(3, 4, 12), dimensions)]
    expect(cut).toHaveLength(expected.length)
    cut.forEach((value, index) => expect(value).toBeCloseTo(expected[index] ?? NaN, 6))
  })
})

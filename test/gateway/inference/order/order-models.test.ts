import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sharePlaces } from '../../../../gateway/inference/order/order-models.ts'

describe('the places of one call among its models', () => {
  it.each<[number[], number[]]>([
    [[], []],
    [[0], [0]],
    [[1], [1]],
    [[9], [4]],
    [
      [9, 9],
      [3, 1],
    ],
    [
      [2, 9],
      [2, 2],
    ],
    [
      [1, 9],
      [1, 3],
    ],
    [
      [0, 9],
      [0, 4],
    ],
    [
      [9, 0],
      [4, 0],
    ],
    [
      [1, 9, 9],
      [1, 2, 1],
    ],
    [
      [9, 9, 9],
      [2, 1, 1],
    ],
    [
      [9, 9, 9, 9],
      [2, 1, 1, 0],
    ],
    [
      [0, 0, 9, 9],
      [0, 0, 3, 1],
    ],
    [
      [1, 1, 1, 1, 1],
      [1, 1, 1, 1, 0],
    ],
  ])('%j nodes: %j', (counts, shares) => expect(sharePlaces(counts, 4)).toEqual(shares))

  it('law: no more than there are, none left while somebody has more, and never more than the model has', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 6 }), { maxLength: 5 }), fc.nat({ max: 8 }), (counts, places) => {
        const shares = sharePlaces(counts, places)
        const sum = (of: readonly number[]) => of.reduce((total, each) => total + each, 0)
        expect(sum(shares)).toBe(Math.min(places, sum(counts)))
        shares.forEach((share, index) => expect(share).toBeLessThanOrEqual(counts[index] ?? 0))
      }),
    )
  })
})

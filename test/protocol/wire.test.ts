import { describe, expect, it } from 'vitest'
import { negotiateWire } from '../../protocol/wire.ts'

describe('negotiateWire', () => {
  it.each([
    ['the own version', '2', 2, 2],
    ['the one before', '1', 2, 1],
    ['the next one, which accepts ours', '3', 2, 2],
    ['what came two before', '1', 3, null],
    ['what comes two later', '4', 2, null],
    ['nothing, as the first release said', undefined, 2, 1],
    ['nothing, to a side that has forgotten the first release', undefined, 3, null],
    ['no number', 'two', 2, null],
    ['a number in another spelling', '02', 2, null],
    ['nought', '0', 1, null],
    ['a fraction', '1.5', 2, null],
  ])('with %s', (_, theirs, own, agreed) => {
    expect(negotiateWire(theirs, own)).toBe(agreed)
  })

  it('comes to the same on both sides', () => {
    for (let a = 1; a < 9; a++)
      for (let b = 1; b < 9; b++) expect(negotiateWire(String(a), b)).toBe(negotiateWire(String(b), a))
  })
})

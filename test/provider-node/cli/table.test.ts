import { describe, expect, it } from 'vitest'
import { bytes, dollars, span, table } from '../../../provider-node/cli/table.ts'

describe('what a terminal shows', () => {
  it('lines columns up, the first to the left', () => {
    expect(
      table([
        ['a', 'bb'],
        ['ccc', '1'],
      ]),
    ).toEqual(['a    bb', 'ccc   1'])
  })

  it.each([
    ['0.050000000', '0.05'],
    ['2.000000000', '2'],
    ['10', '10'],
    ['0.000000001', '0.000000001'],
  ])('dollars %s as %s', (usd, shown) => {
    expect(dollars(usd)).toBe(shown)
  })

  it.each([
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [11_500_000, '11.5 MB'],
    [250_000_000, '250 MB'],
    [3_000_000_000_000, '3.0 TB'],
  ])('%i bytes as %s', (size, shown) => {
    expect(bytes(size)).toBe(shown)
  })

  it.each([
    [-5, '0 s'],
    [89_000, '89 s'],
    [90_000, '2 min'],
    [5_399_000, '90 min'],
    [5_400_000, '2 h'],
    [129_600_000, '2 days'],
  ])('%i ms as %s', (ms, shown) => {
    expect(span(ms)).toBe(shown)
  })
})

// Numbers as a person reads them: never without their unit, money to the last digit.
import { describe, expect, it } from 'vitest'
import { quantity, tick } from '../../../gateway/dashboard/ui/quantity.ts'

describe('a quantity', () => {
  it.each([
    [null, 'ms', '–'],
    [0, 'calls', '0 calls'],
    [1, 'calls', '1 call'],
    [1234, 'calls', '1,234 calls'],
    [1, 'tokens', '1 token'],
    // No plural: nothing is taken off.
    [1, 'ms', '1 ms'],
    [1, 's', '1 s'],
    ['0.5', '$', '$0.50'],
    ['-1234567.5', '$', '-$1,234,567.50'],
    ['0.000000001', '$', '$0.000000001'],
    // More than a float can hold: it stays text.
    ['9007199254740993.000000001', '$', '$9,007,199,254,740,993.000000001'],
    [0, '%', '0 %'],
    [0.1234, '%', '12.3 %'],
    [1, '%', '100 %'],
    [1, 'bytes', '1 byte'],
    [999, 'bytes', '999 bytes'],
    [1_000, 'bytes', '1 kB'],
    [1_500_000, 'bytes', '1.5 MB'],
    [1e15, 'bytes', '1,000 TB'],
  ])('of %s %s is %s', (value, unit, said) => expect(quantity(value, unit)).toBe(said))
})

describe('a number at an axis', () => {
  it.each([
    [12_345, 'calls', '12.3K'],
    [0.0005, '$', '$0.0005'],
    [1, '$', '$1'],
    [1_500, '$', '$1.5K'],
    [0.5, '%', '50 %'],
    [1_200, 'ms', '1.2K ms'],
    [2_048, 'bytes', '2.05 kB'],
  ])('%s %s is %s', (value, unit, said) => expect(tick(value, unit)).toBe(said))
})

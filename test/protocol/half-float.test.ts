// Sixteen-bit floats against their definition: every one of the 65,536, and what lies between two of them.
import { describe, expect, it } from 'vitest'
import { BF16, FP16, halfBits, halfValue } from '../../protocol/half-float.ts'

const FORMATS = [
  ['FP16', FP16, 65_504],
  ['BF16', BF16, (2 - 2 ** -7) * 2 ** 127],
] as const

/** The value by the textbook: sign, exponent and fraction as they stand. */
function byDefinition(bits: number, fractionBits: number, bias: number): number {
  const sign = bits >> 15 === 1 ? -1 : 1
  const exponent = (bits & 0x7fff) >> fractionBits
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits
  if (exponent === 2 * bias + 1) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias))
}

describe.each(FORMATS)('%s', (_, format, largest) => {
  const all = Array.from({ length: 65_536 }, (_, bits) => bits)

  it('reads every one of its 65,536 values as the standard defines it', () => {
    const wrong = all.filter(
      (bits) => !Object.is(halfValue(bits, format), byDefinition(bits, format.fractionBits, format.bias)),
    )
    expect(wrong).toEqual([])
  })

  it('writes every value as the bits it was read from, and every NaN as one NaN', () => {
    const wrong = all.filter((bits) => {
      const value = halfValue(bits, format)
      const written = halfBits(value, format)
      return Number.isNaN(value) ? !Number.isNaN(halfValue(written, format)) : written !== bits
    })
    expect(wrong).toEqual([])
  })

  it('rounds what lies between two neighbours to the nearer one, and the middle to the even one', () => {
    const wrong: number[] = []
    // The neighbour above the largest value is where infinity stands: a whole step further.
    const valueOf = (bits: number) => (bits === format.infinity ? 2 ** (format.bias + 1) : halfValue(bits, format))
    for (let bits = 0; bits < format.infinity; bits++) {
      const [below, above] = [valueOf(bits), valueOf(bits + 1)]
      const middle = (below + above) / 2
      const even = bits % 2 === 0 ? bits : bits + 1
      const step = (above - below) / 1024
      const isRight =
        halfBits(middle, format) === even &&
        halfBits(middle - step, format) === bits &&
        halfBits(middle + step, format) === bits + 1 &&
        halfBits(-middle, format) === (even | 0x8000)
      if (!isRight) wrong.push(bits)
    }
    expect(wrong).toEqual([])
  })

  it('has its largest value, infinity beyond it, and nothing below half of its smallest', () => {
    expect(halfValue(format.infinity - 1, format)).toBe(largest)
    expect(halfBits(Number.MAX_VALUE, format)).toBe(format.infinity)
    expect(halfBits(-Infinity, format)).toBe(format.infinity | 0x8000)
    expect(halfBits(halfValue(1, format) / 2, format)).toBe(0)
    expect(halfBits(Number.MIN_VALUE, format)).toBe(0)
    expect(halfBits(-0, format)).toBe(0x8000)
  })
})

it('rounds a double once and not by way of binary32, which would make a tie of what is none', () => {
  // 1 + 2^-11 is the middle of 1 and the next half; 2^-30 more is lost in binary32, and the tie would go down.
  expect(halfBits(1 + 2 ** -11 + 2 ** -30, FP16)).toBe(0x3c01)
  expect(halfBits(Math.fround(1 + 2 ** -11 + 2 ** -30), FP16)).toBe(0x3c00)
})

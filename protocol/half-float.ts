// Floats of 16 bits, which JavaScript has no type for: FP16 (IEEE 754 binary16) and BF16 (the upper half of binary32). Both ways exact as far as
// the format goes: numbers are rounded once, to the nearest, ties to the even one, so that a runtime's own conversion gives the same bits.

/** Sign, exponent, fraction, from the highest bit on. */
interface Format {
  readonly fractionBits: number
  /** what is added to an exponent; also the largest one */
  readonly bias: number
  /** the bits of infinity, without its sign */
  readonly infinity: number
}
export const FP16: Format = { fractionBits: 10, bias: 15, infinity: 0x7c00 }
export const BF16: Format = { fractionBits: 7, bias: 127, infinity: 0x7f80 }

/** @example halfBits(1.5, FP16) // 0x3e00 @returns infinity's bits for what rounds beyond the largest value */
export function halfBits(value: number, { fractionBits, bias, infinity }: Format): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (Number.isNaN(value)) return infinity | (1 << (fractionBits - 1))
  const exponent = Math.max(exponentOf(size), 1 - bias)
  if (exponent > bias) return sign | infinity
  // In units of the last place: below 2 ^ fractionBits only for subnormal values. Scaling by powers of two is exact.
  const units = roundEven(size / 2 ** (exponent - fractionBits))
  // A carry out of the fraction lands in the exponent, as it must; the largest value's carry makes infinity.
  return sign | (((exponent + bias - 1) << fractionBits) + units)
}

/** @example halfValue(0x3e00, FP16) // 1.5 */
export function halfValue(bits: number, { fractionBits, bias, infinity }: Format): number {
  const sign = bits & 0x8000 ? -1 : 1
  const fraction = bits & ((1 << fractionBits) - 1)
  const exponent = (bits & infinity) >> fractionBits
  if ((bits & infinity) === infinity) return fraction === 0 ? sign * Infinity : NaN
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits)
  return sign * (fraction + 2 ** fractionBits) * 2 ** (exponent - bias - fractionBits)
}

/** The power of two at or below a size; of infinity 1024, of zero and the smallest doubles -1023. */
function exponentOf(size: number): number {
  scratch.setFloat64(0, size)
  return (scratch.getUint16(0) >> 4) - 1023
}

function roundEven(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below
}

const scratch = new DataView(new ArrayBuffer(8))

// Arbitrary tensors for property tests: every type, any shape, also without elements. NaNs come in the one form that JSON can say.
import fc from 'fast-check'
import { DATATYPE_BYTES, elementsOf, stringsToBytes, type Tensor } from '../../protocol/oip.ts'
import { Datatype } from '../../protocol/oip-fields.ts'

const aShape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })

export function aTensor(datatype: Datatype, name = 'x'): fc.Arbitrary<Tensor> {
  const size = DATATYPE_BYTES[datatype]
  return aShape.chain((shape) => {
    const elements = elementsOf(shape)
    if (size === null) {
      const texts = fc.array(fc.string({ unit: 'grapheme' }), { minLength: elements, maxLength: elements })
      return texts.map((strings) => ({ name, datatype, shape, data: stringsToBytes(strings) }))
    }
    const data = fc.uint8Array({ minLength: elements * size, maxLength: elements * size })
    return data
      .map((bytes) => ({ name, datatype, shape, data: datatype === 'BOOL' ? bytes.map((b) => b & 1) : bytes }))
      .map(withOneNaN)
  })
}

/** One to five tensors of any type, `x0` and so on. */
export const someTensors: fc.Arbitrary<Tensor[]> = fc
  .array(fc.constantFrom(...Datatype.options), { minLength: 1, maxLength: 5 })
  .chain((datatypes) => fc.tuple(...datatypes.map((datatype, index) => aTensor(datatype, `x${index}`))))

/** Bits above which a value is NaN, the one NaN, and all but the sign. */
const NAN: Partial<Record<Datatype, readonly [infinity: bigint, nan: bigint, unsigned: bigint]>> = {
  FP16: [0x7c00n, 0x7e00n, 0x7fffn],
  BF16: [0x7f80n, 0x7fc0n, 0x7fffn],
  FP32: [0x7f800000n, 0x7fc00000n, 0x7fffffffn],
  FP64: [0x7ff0000000000000n, 0x7ff8000000000000n, 0x7fffffffffffffffn],
}

function withOneNaN(tensor: Tensor): Tensor {
  const form = NAN[tensor.datatype]
  if (!form) return tensor
  const [infinity, nan, unsigned] = form
  const size = DATATYPE_BYTES[tensor.datatype] ?? 1
  const data = Uint8Array.from(tensor.data)
  for (let at = 0; at < data.length; at += size) {
    const value = [...data.subarray(at, at + size)].reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n)
    if ((value & unsigned) <= infinity) continue
    for (let i = 0; i < size; i++) data[at + i] = Number((nan >> BigInt(8 * i)) & 0xffn)
  }
  return { ...tensor, data }
}

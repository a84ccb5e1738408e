// Whether a tensor is the known one (rule). Floats may differ by a tolerance, because machines and batches round differently; everything else is
// equal to the bit. What is said of a difference names its place and never a value: whoever reads it must not learn the answer.
import { BF16, FP16, halfValue } from './half-float.ts'
import { DATATYPE_BYTES, elementsOf, type Datatype, type Tensor } from './oip.ts'

/** |answer − known| ≤ atol + rtol × |known| */
export interface Tolerance {
  readonly rtol: number
  readonly atol: number
}
/** of a probe that gives none */
export const TOLERANCE: Tolerance = { rtol: 1e-3, atol: 1e-6 }

/** Null when it is the known one, else what is wrong with it. Both are whole. @example 'has another value at element 3' */
export function tensorMismatch(answer: Tensor, known: Tensor, tolerance: Tolerance): string | null {
  const { datatype, shape } = known
  if (answer.datatype !== datatype) return `is ${answer.datatype} and not ${datatype}`
  const isSameShape = answer.shape.length === shape.length && shape.every((size, i) => answer.shape[i] === size)
  if (!isSameShape) return `has the shape [${answer.shape.join(', ')}] and not [${shape.join(', ')}]`
  const read = FLOATS[datatype]
  if (!read) return isEqual(answer.data, known.data) ? null : 'is not the known one'
  const at = firstApart(
    viewOf(answer),
    viewOf(known),
    read,
    elementsOf(shape),
    DATATYPE_BYTES[datatype] ?? 0,
    tolerance,
  )
  return at === null ? null : `has another value at element ${at}`
}

/** NaN is as good as NaN, and either zero as the other; an infinity is only like itself. */
export function isNear(answer: number, known: number, { rtol, atol }: Tolerance): boolean {
  if (answer === known || Object.is(answer, known)) return true
  if (!Number.isFinite(answer) || !Number.isFinite(known)) return false
  return Math.abs(answer - known) <= atol + rtol * Math.abs(known)
}

type ReadFloat = (bytes: DataView, at: number) => number

/** Types that are compared as numbers. */
const FLOATS: Readonly<Partial<Record<Datatype, ReadFloat>>> = {
  FP16: (bytes, at) => halfValue(bytes.getUint16(at, true), FP16),
  BF16: (bytes, at) => halfValue(bytes.getUint16(at, true), BF16),
  FP32: (bytes, at) => bytes.getFloat32(at, true),
  FP64: (bytes, at) => bytes.getFloat64(at, true),
}

function firstApart(
  answer: DataView,
  known: DataView,
  read: ReadFloat,
  elements: number,
  size: number,
  tolerance: Tolerance,
): number | null {
  for (let index = 0; index < elements; index++)
    if (!isNear(read(answer, index * size), read(known, index * size), tolerance)) return index
  return null
}

const viewOf = ({ data }: Tensor) => new DataView(data.buffer, data.byteOffset, data.byteLength)

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, index) => byte === b[index])

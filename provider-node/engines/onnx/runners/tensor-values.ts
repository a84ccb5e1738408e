// Tensors as bytes and as the runtime wants them, both ways without loss: numbers are looked at where they lie (all platforms the runtime is built
// for are little-endian, as the protocol is), halves and NaNs stay the bits they were, strings are UTF-8 text, which is all the runtime has.
import { Tensor as RuntimeTensor } from 'onnxruntime-node'
import { DATATYPE_BYTES, stringsOf, stringsToBytes, type Datatype, type Tensor } from '../../../../protocol/oip.ts'

type RuntimeType = RuntimeTensor.Type

/** The runtime's name of each type. It has no bfloat16 at a graph's ends: such a graph does not load ("Unsupported data type: 16"). */
const RUNTIME_TYPE: Readonly<Record<Datatype, RuntimeType | null>> = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  BF16: null,
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
}

/** Null for a type the protocol does not have, such as int4. */
export const datatypeOf = (type: string): Datatype | null =>
  Datatypes.find((datatype) => RUNTIME_TYPE[datatype] === type) ?? null
const Datatypes = Object.keys(RUNTIME_TYPE) as Datatype[] // the keys of a record of exactly these

const VIEWS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  // The runtime takes these bits also where JavaScript has a Float16Array.
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const

/** Why these bytes are no values of their type, as a sentence that names the tensor; null when they are. */
export function badValues({ name, datatype, data }: Tensor): string | null {
  if (datatype === 'BOOL' && data.some((byte) => byte > 1))
    return `The tensor "${name}" is BOOL, and a BOOL is the byte 0 or 1.`
  if (datatype === 'BYTES' && stringsOf(data).some((bytes) => !isText(bytes)))
    return `The tensor "${name}" is BYTES, and this model takes UTF-8 text without zero bytes.`
  return null
}

/** Call it for whole tensors without {@link badValues} only. */
export function toRuntime({ datatype, shape, data }: Tensor): RuntimeTensor {
  const type = RUNTIME_TYPE[datatype]
  if (type === null) throw new Error(`the runtime has no ${datatype}`)
  if (datatype === 'BYTES') return new RuntimeTensor('string', stringsOf(data).map(text), [...shape])
  const size = DATATYPE_BYTES[datatype]
  const View = VIEWS[datatype]
  // A view must begin at a multiple of its elements; a copy always does.
  const aligned = data.byteOffset % size === 0 ? data : new Uint8Array(data)
  // Shared memory would be looked at just the same; the views' types leave it out.
  const view = new View(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / size)
  // Type and view belong together by the two tables above; the constructor's overloads cannot follow that.
  return new RuntimeTensor(type as 'float32', view as Float32Array, [...shape])
}

/** @throws Error for a type the protocol does not have */
export function fromRuntime(name: string, value: RuntimeTensor): Tensor {
  const datatype = datatypeOf(value.type)
  if (datatype === null) throw new Error(`the output ${name} is ${value.type}`)
  const shape = [...value.dims]
  const { data } = value
  if (Array.isArray(data)) return { name, datatype, shape, data: stringsToBytes(data.map(String)) }
  return { name, datatype, shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) }
}

/** A byte order mark at the beginning is a character like any other. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const text = (bytes: Uint8Array): string => decoder.decode(bytes)

/** The runtime's strings end at a zero byte: what stands behind it would be lost without a word. */
function isText(bytes: Uint8Array): boolean {
  if (bytes.includes(0)) return false
  try {
    return text(bytes) !== null
  } catch {
    return false
  }
}

// Tensors as the Open Inference Protocol v2 has them (KServe inference_rest.md; the binary extension is Triton's). Everywhere inside the house a
// tensor is its type, its shape and its bytes; JSON exists only at the edges (oip-json.ts), so 64-bit integers and halves stay exact. No schema stands here
// (oip-fields.ts has them): a page that only types tensors in carries none.
/** Bytes of one element; null: BYTES, whose elements have lengths of their own. BF16 is Triton's addition. */
export const DATATYPE_BYTES = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: null,
} as const satisfies Readonly<Record<string, number | null>>
export type Datatype = keyof typeof DATATYPE_BYTES

/** Ceilings of one request or answer. */
export const OIP_LIMITS = {
  tensors: 64,
  /** dimensions of a shape; onnxruntime knows no more */
  rank: 16,
  /** elements in one dimension */
  dimension: 2 ** 31 - 1,
  /** bytes of a whole body, in either form */
  bodyBytes: 16 * 1024 * 1024,
  /** bytes of the JSON that stands before binary data */
  headerBytes: 256 * 1024,
  nameCharacters: 256,
} as const

/** What a graph takes or gives: -1 is a dimension that varies. */
export interface TensorSpec {
  name: string
  datatype: Datatype
  shape: number[]
}

/** A tensor in JSON: `data` nested or flat, parsed by oip-json.ts. */
export interface OipTensorJson {
  name: string
  datatype: Datatype
  shape: number[]
  data: unknown
}

/**
 * A tensor. `data`: row-major, little-endian, without padding; BOOL one byte, 0 or 1; BYTES each element as its length in four bytes, little-endian,
 * and then itself. Its length always fits type and shape: {@link isWhole}.
 */
export interface Tensor {
  readonly name: string
  readonly datatype: Datatype
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

/** String, number or boolean values a caller may give along. */
export type Parameters = Record<string, string | number | boolean>

export interface InferRequest {
  readonly modelName: string
  readonly inputs: readonly Tensor[]
  /** names of the outputs wanted; empty: all */
  readonly outputs: readonly string[]
  readonly parameters: Parameters
}

export interface InferAnswer {
  readonly modelName: string
  readonly outputs: readonly Tensor[]
}

/** @param shape whatever numbers were written down */
export const isShape = (shape: readonly number[]): boolean =>
  shape.length <= OIP_LIMITS.rank &&
  shape.every((size) => Number.isInteger(size) && size >= 0 && size <= OIP_LIMITS.dimension)

/** Elements of a shape; of no dimensions, one. */
export const elementsOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

/** Whether the bytes are exactly those of type and shape. */
export function isWhole({ datatype, shape, data }: Omit<Tensor, 'name'>): boolean {
  const size = DATATYPE_BYTES[datatype]
  const elements = elementsOf(shape)
  return size === null ? countStrings(data) === elements : data.byteLength === elements * size
}

/** Elements of BYTES data; -1 when a length points beyond its end. */
function countStrings(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  let count = 0
  let at = 0
  for (; at + 4 <= data.byteLength; count++) at += 4 + view.getUint32(at, true)
  return at === data.byteLength ? count : -1
}

/** @returns bytes of all tensors: what is paid for */
export const tensorBytes = (tensors: readonly Pick<Tensor, 'data'>[]): number =>
  tensors.reduce((sum, { data }) => sum + data.byteLength, 0)

/** The elements of BYTES data. Call it for whole tensors only. */
export const stringsOf = (data: Uint8Array): Uint8Array[] => [...eachString(data)]

/** The same one by one: four bytes are an element, and all of them at once can be fifty times their data. */
export function* eachString(data: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  for (let at = 0; at + 4 <= data.byteLength;) {
    const length = view.getUint32(at, true)
    yield data.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
}

export function stringsToBytes(elements: readonly (string | Uint8Array)[]): Uint8Array {
  const data = new Uint8Array(elements.reduce((sum, element) => sum + 4 + bytesIn(element), 0))
  const view = new DataView(data.buffer)
  const encoder = new TextEncoder()
  let at = 0
  for (const element of elements) {
    const size = bytesIn(element)
    view.setUint32(at, size, true)
    if (typeof element !== 'string') data.set(element, at + 4)
    else if (size > 0) encoder.encodeInto(element, data.subarray(at + 4))
    at += 4 + size
  }
  return data
}

/** Of a string its bytes in UTF-8, counted: to encode it would be another object for each element. */
function bytesIn(element: string | Uint8Array): number {
  if (typeof element !== 'string') return element.byteLength
  let bytes = 0
  for (let at = 0; at < element.length; at++) {
    const code = element.codePointAt(at) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (code >= 0x10000) at++
  }
  return bytes
}

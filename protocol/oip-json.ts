// Tensors as JSON has them, at the edges of the house: `data` flat or nested, every value exact. What JSON has no word for is a string ("NaN",
// "Infinity", "-Infinity"); what it cannot say at all (BYTES that are no UTF-8) is refused and never altered. Nothing is rounded in silence:
// integers must be whole and in range, and only a float may be brought to its nearest value.
import { parse } from 'lossless-json'
import type { Result } from './errors.ts'
import { BF16, FP16, halfBits, halfValue } from './half-float.ts'
import { beyondJsonBounds } from './json-bounds.ts'
import {
  DATATYPE_BYTES,
  eachString,
  elementsOf,
  OIP_LIMITS,
  stringsToBytes,
  type Datatype,
  type OipTensorJson,
  type Tensor,
} from './oip.ts'

/**
 * JSON whose integers beyond 2^53 come as bigint, all other numbers as numbers. Of a key that stands twice the last one counts, as everywhere.
 * @returns 'malformed' also for what is too much to be parsed (json-bounds.ts); the parser's own words quote the text, so they are not passed on
 */
export function parseOipJson(text: string): Result<unknown, 'malformed'> {
  const tooMuch = beyondJsonBounds(text)
  if (tooMuch !== null) return { ok: false, code: 'malformed', detail: tooMuch }
  try {
    const value: unknown = LONG_INTEGER.test(text) ? parse(text, undefined, EXACT) : JSON.parse(text)
    return { ok: true, value }
  } catch {
    return { ok: false, code: 'malformed', detail: 'It is no JSON.' }
  }
}

/** Sixteen digits that stand in no fraction: only among these can an integer be that a number cannot hold. */
const LONG_INTEGER = /(?<![\d.])\d{16}/
/** No type has more digits, and a million of them as bigint take seconds. */
const WIDE_INTEGER = /^-?\d{1,20}$/
const EXACT = {
  parseNumber: (literal: string): number | bigint => {
    const number = Number(literal)
    return Number.isSafeInteger(number) || !WIDE_INTEGER.test(literal) ? number : BigInt(literal)
  },
  onDuplicateKey: ({ newValue }: { newValue: unknown }) => newValue,
}

/** @returns 'malformed' with a sentence that names the tensor and the element, never its value */
export function tensorFromJson({ name, datatype, shape, data }: OipTensorJson): Result<Tensor, 'malformed'> {
  const refused = (why: string) => ({ ok: false, code: 'malformed', detail: `"${name}": ${why}` }) as const
  const values = Array.isArray(data) ? flat(data, shape) : null
  if (!values) return refused('its data is an array, flat or nested as its shape says.')
  const elements = elementsOf(shape)
  if (values.length !== elements)
    return refused(`its data has ${values.length} elements, and its shape [${shape.join(', ')}] has ${elements}.`)
  if (datatype === 'BYTES') {
    const wrong = values.findIndex((value) => typeof value !== 'string' || LONE_SURROGATE.test(value))
    if (wrong >= 0) return refused(`element ${wrong} is no string of Unicode characters.`)
    const data = stringsToBytes(values as string[]) // each was checked
    return data.byteLength > OIP_LIMITS.bodyBytes
      ? refused(TOO_LONG)
      : { ok: true, value: { name, datatype, shape, data } }
  }
  if (elements * DATATYPE_BYTES[datatype] > OIP_LIMITS.bodyBytes) return refused(TOO_LONG)
  const bytes = new DataView(new ArrayBuffer(elements * DATATYPE_BYTES[datatype]))
  const wrong = values.findIndex((value, index) => !WRITE[datatype](bytes, index * DATATYPE_BYTES[datatype], value))
  if (wrong >= 0) return refused(`element ${wrong} is no ${datatype}.`)
  return { ok: true, value: { name, datatype, shape, data: new Uint8Array(bytes.buffer) } }
}

/** Two characters of JSON can be eight bytes. */
const TOO_LONG = `its elements are more than ${OIP_LIMITS.bodyBytes} bytes.`

/**
 * The text of a tensor's `data`, flat. Of a whole tensor ({@link Tensor}).
 * @returns 'not_utf8' for BYTES that JSON cannot say: they travel in the binary form alone
 */
export function tensorToJson(tensor: Tensor): Result<string, 'not_utf8'> {
  const parts = tensorJsonParts(tensor)
  return parts.ok ? { ok: true, value: [...parts.value].join('') } : parts
}

/** The same in pieces of bounded length, for who must not hold all of it: a tensor's text can be twenty times its bytes. */
export function tensorJsonParts(tensor: Tensor): Result<Iterable<string>, 'not_utf8'> {
  const { name, datatype, shape, data } = tensor
  if (datatype !== 'BYTES') {
    const bytes = new DataView(data.buffer, data.byteOffset, data.byteLength)
    const read = READ[datatype]
    return { ok: true, value: arrayText(elementsOf(shape), (index) => read(bytes, index * DATATYPE_BYTES[datatype])) }
  }
  let at = 0
  for (const element of eachString(data)) {
    if (decoded(element) === null)
      return { ok: false, code: 'not_utf8', detail: `"${name}": element ${at} is no UTF-8, so JSON cannot say it.` }
    at++
  }
  return { ok: true, value: { [Symbol.iterator]: () => stringParts(data) } }
}

/** Made anew each time it is walked through, so that it can be measured first and sent then. */
const arrayText = (elements: number, textOf: (index: number) => string): Iterable<string> => ({
  [Symbol.iterator]: () => arrayParts(elements, textOf),
})

function* arrayParts(elements: number, textOf: (index: number) => string): Generator<string> {
  let part = '['
  for (let index = 0; index < elements; index++) {
    part += index === 0 ? textOf(index) : `,${textOf(index)}`
    if (part.length >= PART_CHARACTERS) {
      yield part
      part = ''
    }
  }
  yield `${part}]`
}

/** The same of strings, one of which may be all of the tensor: its escapes take six times its bytes. */
function* stringParts(data: Uint8Array): Generator<string> {
  let part = '['
  let comma = ''
  for (const element of eachString(data)) {
    const text = decoded(element) ?? ''
    part += `${comma}"`
    comma = ','
    for (let at = 0; at < text.length;) {
      const end = cutAt(text, at + SLICE_CHARACTERS)
      part += JSON.stringify(text.slice(at, end)).slice(1, -1)
      at = end
      if (part.length < PART_CHARACTERS) continue
      yield part
      part = ''
    }
    part += '"'
  }
  yield `${part}]`
}

/** A cut between the two halves of a character would be escaped as two. */
const cutAt = (text: string, at: number): number => (/[\ud800-\udbff]/.test(text.charAt(at - 1)) ? at + 1 : at)

/** characters that are escaped at once */
const SLICE_CHARACTERS = 8 * 1024
const PART_CHARACTERS = 64 * 1024

/** Data as they were given when they are flat already; null when they are nested otherwise than the shape. */
function flat(data: readonly unknown[], shape: readonly number[]): readonly unknown[] | null {
  if (!Array.isArray(data[0])) return data
  const values: unknown[] = []
  const collect = (value: unknown, depth: number): boolean => {
    if (depth === shape.length) return values.push(value) > 0
    if (!Array.isArray(value) || value.length !== shape[depth]) return false
    return value.every((inner) => collect(inner, depth + 1))
  }
  return collect(data, 0) ? values : null
}

type Write = (bytes: DataView, at: number, value: unknown) => boolean
type Read = (bytes: DataView, at: number) => string
type Sized = Exclude<Datatype, 'BYTES'>

/** Each writes a JSON value, or says that it is none of its type. */
const WRITE: Readonly<Record<Sized, Write>> = {
  BOOL: (bytes, at, value) => {
    if (typeof value !== 'boolean') return false
    bytes.setUint8(at, Number(value))
    return true
  },
  UINT8: integer(0, 2 ** 8 - 1, (bytes, at, value) => bytes.setUint8(at, value)),
  UINT16: integer(0, 2 ** 16 - 1, (bytes, at, value) => bytes.setUint16(at, value, true)),
  UINT32: integer(0, 2 ** 32 - 1, (bytes, at, value) => bytes.setUint32(at, value, true)),
  INT8: integer(-(2 ** 7), 2 ** 7 - 1, (bytes, at, value) => bytes.setInt8(at, value)),
  INT16: integer(-(2 ** 15), 2 ** 15 - 1, (bytes, at, value) => bytes.setInt16(at, value, true)),
  INT32: integer(-(2 ** 31), 2 ** 31 - 1, (bytes, at, value) => bytes.setInt32(at, value, true)),
  UINT64: wideInteger(0n, 2n ** 64n - 1n, (bytes, at, value) => bytes.setBigUint64(at, value, true)),
  INT64: wideInteger(-(2n ** 63n), 2n ** 63n - 1n, (bytes, at, value) => bytes.setBigInt64(at, value, true)),
  FP16: float(65_520, (bytes, at, value) => bytes.setUint16(at, halfBits(value, FP16), true)),
  BF16: float((2 - 2 ** -8) * 2 ** 127, (bytes, at, value) => bytes.setUint16(at, halfBits(value, BF16), true)),
  FP32: float((2 - 2 ** -24) * 2 ** 127, (bytes, at, value) => bytes.setFloat32(at, value, true)),
  FP64: float(Infinity, (bytes, at, value) => bytes.setFloat64(at, value, true)),
}

const READ: Readonly<Record<Sized, Read>> = {
  BOOL: (bytes, at) => (bytes.getUint8(at) === 0 ? 'false' : 'true'),
  UINT8: (bytes, at) => String(bytes.getUint8(at)),
  UINT16: (bytes, at) => String(bytes.getUint16(at, true)),
  UINT32: (bytes, at) => String(bytes.getUint32(at, true)),
  INT8: (bytes, at) => String(bytes.getInt8(at)),
  INT16: (bytes, at) => String(bytes.getInt16(at, true)),
  INT32: (bytes, at) => String(bytes.getInt32(at, true)),
  UINT64: (bytes, at) => String(bytes.getBigUint64(at, true)),
  INT64: (bytes, at) => String(bytes.getBigInt64(at, true)),
  FP16: (bytes, at) => floatText(halfValue(bytes.getUint16(at, true), FP16)),
  BF16: (bytes, at) => floatText(halfValue(bytes.getUint16(at, true), BF16)),
  FP32: (bytes, at) => floatText(bytes.getFloat32(at, true)),
  FP64: (bytes, at) => floatText(bytes.getFloat64(at, true)),
}

function integer(min: number, max: number, set: (bytes: DataView, at: number, value: number) => void): Write {
  return (bytes, at, value) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) return false
    set(bytes, at, value)
    return true
  }
}

/** A number that is not safe was rounded on its way here (`1e19`, `9007199254740993.0`): only digits say such an integer exactly. */
function wideInteger(min: bigint, max: bigint, set: (bytes: DataView, at: number, value: bigint) => void): Write {
  return (bytes, at, value) => {
    const whole = Number.isSafeInteger(value) ? BigInt(value as number) : value // a safe integer is a number
    if (typeof whole !== 'bigint' || whole < min || whole > max) return false
    set(bytes, at, whole)
    return true
  }
}

/** @param limit the smallest size that rounds to infinity: who means infinity says so */
function float(limit: number, set: (bytes: DataView, at: number, value: number) => void): Write {
  return (bytes, at, value) => {
    const number = typeof value === 'bigint' ? Number(value) : typeof value === 'string' ? SAID[value] : value
    if (typeof number !== 'number' || (typeof value !== 'string' && !(Math.abs(number) < limit))) return false
    set(bytes, at, number)
    return true
  }
}

const SAID: Readonly<Record<string, number | undefined>> = Object.assign(Object.create(null), {
  NaN: NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
})

/** The shortest text that is this number; of a narrower float, all the digits its value needs. */
function floatText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  return JSON.stringify(String(value))
}

/** What UTF-8 cannot say. */
const LONE_SURROGATE = /\p{Surrogate}/u
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decoded(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}

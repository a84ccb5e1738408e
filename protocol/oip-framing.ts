// Triton's binary tensor data, as it stands in requests and answers alike: a JSON header, and behind it the bytes of those tensors that say
// `binary_data_size`, in their order. JSON and binary tensors may be mixed; a body without any binary one is plain JSON.
// Readers refuse what does not fit by the name of the tensor, never by a value. Writers give pieces: the text of a tensor can be twenty times
// its bytes, so nobody needs to hold it.
import { z } from 'zod'
import { utf8ToBytes } from './canonical.ts'
import type { Result } from './errors.ts'
import { DATATYPE_BYTES, elementsOf, isWhole, OIP_LIMITS, type Tensor } from './oip.ts'
import { Datatype, Shape, TensorName } from './oip-fields.ts'
import { parseOipJson, tensorFromJson, tensorJsonParts } from './oip-json.ts'

/** Bytes of the JSON header of a request or an answer; absent: all of it is JSON. */
export const HEADER_LENGTH = 'inference-header-content-length'
/** What a server that does all this says of itself. */
export const BINARY_EXTENSION = 'binary_tensor_data'

export const BinarySize = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)

/** A tensor as a header describes it: with its data, or with how many bytes of them follow. */
export interface DescribedTensor {
  readonly name: string
  readonly datatype: Datatype
  readonly shape: readonly number[]
  readonly parameters?: { readonly binary_data_size?: number | undefined } | null | undefined
  readonly data?: unknown
}
export const describedFields = { name: TensorName, datatype: Datatype, shape: Shape, data: z.unknown().optional() }

/** `param`: the path of the wrong field, or the name of the wrong tensor. */
export interface InferRefusal {
  readonly ok: false
  readonly code: 'invalid_json' | 'invalid_request'
  readonly param: string | null
  readonly detail: string
}
type Read<T> = { readonly ok: true; readonly value: T } | InferRefusal

/** Splits a body and reads its header. @param headerLength what {@link HEADER_LENGTH} said; null without it */
export function readHeader<Header>(
  body: Uint8Array,
  headerLength: number | null,
  schema: z.ZodType<Header>,
): Read<{ readonly header: Header; readonly data: Uint8Array }> {
  const length = headerLength ?? body.byteLength
  if (length > body.byteLength) return refused(HEADER_LENGTH, `The body has only ${body.byteLength} bytes.`)
  const json = parsed(body.subarray(0, length))
  if (!json.ok) return { ok: false, code: 'invalid_json', param: null, detail: json.detail ?? '' }
  const header = schema.safeParse(json.value)
  if (!header.success) return wrongField(header.error)
  return { ok: true, value: { header: header.data, data: body.subarray(length) } }
}

/** Tensors given in binary are views of `data`, not copies. */
export function readTensors(described: readonly DescribedTensor[], data: Uint8Array): Read<Tensor[]> {
  const tensors: Tensor[] = []
  let at = 0
  // Those in JSON can be longer than their text, and what is too long for a body goes to nobody.
  let jsonBytes = 0
  for (const { name, datatype, shape, parameters, data: values } of described) {
    const size = parameters?.binary_data_size
    if ((size === undefined) === (values === undefined))
      return refused(name, `"${name}" needs either data or parameters.binary_data_size.`)
    if (size === undefined) {
      const tensor = tensorFromJson({ name, datatype, shape: [...shape], data: values })
      if (!tensor.ok) return refused(name, tensor.detail ?? '')
      jsonBytes += tensor.value.data.byteLength
      if (jsonBytes + data.byteLength > OIP_LIMITS.bodyBytes)
        return refused(name, `"${name}": with it, all tensors are more than ${OIP_LIMITS.bodyBytes} bytes.`)
      tensors.push(tensor.value)
      continue
    }
    const tensor = { name, datatype, shape, data: data.subarray(at, at + size) }
    at += size
    if (at > data.byteLength)
      return refused(name, `"${name}": its ${size} bytes end behind the body, which has ${data.byteLength} in all.`)
    const wrong = unfit(tensor)
    if (wrong !== null) return refused(name, `"${name}": ${wrong}`)
    tensors.push(tensor)
  }
  if (at === data.byteLength) return { ok: true, value: tensors }
  return refused(HEADER_LENGTH, `${data.byteLength - at} bytes follow the last tensor.`)
}

/** What of binary data does not fit type or shape, in words; null when all does. */
function unfit(tensor: Tensor): string | null {
  const { datatype, shape, data } = tensor
  const size = DATATYPE_BYTES[datatype]
  const elements = elementsOf(shape)
  if (!isWhole(tensor))
    return size === null
      ? `its ${data.byteLength} bytes are not the ${elements} elements of its shape, each behind its length.`
      : `it has ${data.byteLength} bytes, and ${datatype} of its shape [${shape.join(', ')}] has ${elements * size}.`
  return datatype === 'BOOL' && data.some((byte) => byte > 1) ? 'a BOOL is the byte 0 or 1.' : null
}

export interface WrittenBody {
  /** for {@link HEADER_LENGTH}; null: all of it is JSON */
  readonly headerLength: number | null
  /** the body, made anew each time it is walked through */
  readonly pieces: Iterable<Uint8Array>
}

/**
 * `head` with its tensors under `key`, last.
 * @returns 'not_utf8' with a sentence that names a tensor which JSON cannot say and which is not to be binary
 */
export function writeTensors(
  head: object,
  key: 'inputs' | 'outputs',
  tensors: readonly Tensor[],
  isBinary: (name: string) => boolean,
): Result<WrittenBody, 'not_utf8'> {
  const texts: Iterable<string>[] = [[`${open(head)},"${key}":[`]]
  const binary: Uint8Array[] = []
  for (const [index, { name, datatype, shape, data }] of tensors.entries()) {
    const comma = index === 0 ? '' : ','
    if (isBinary(name)) {
      const parameters = { binary_data_size: data.byteLength }
      texts.push([comma + JSON.stringify({ name, datatype, shape, parameters })])
      binary.push(data)
      continue
    }
    const said = tensorJsonParts({ name, datatype, shape, data })
    if (!said.ok) return said
    texts.push([`${comma}${open({ name, datatype, shape })},"data":`], said.value, ['}'])
  }
  texts.push([']}'])
  const pieces = { [Symbol.iterator]: () => encoded(texts, binary) }
  return { ok: true, value: { headerLength: binary.length === 0 ? null : bytesOf(texts), pieces } }
}

/** An object that goes on: it has a field already. */
const open = (fields: object): string => JSON.stringify(fields).slice(0, -1)

function* encoded(texts: readonly Iterable<string>[], binary: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const text of texts) for (const part of text) yield utf8ToBytes(part)
  yield* binary
}

function bytesOf(texts: readonly Iterable<string>[]): number {
  let bytes = 0
  for (const piece of encoded(texts, [])) bytes += piece.byteLength
  return bytes
}

function parsed(bytes: Uint8Array): Result<unknown, 'malformed'> {
  try {
    return parseOipJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes))
  } catch {
    return { ok: false, code: 'malformed', detail: 'It is not UTF-8.' }
  }
}

function wrongField({ issues: [issue] }: z.ZodError): InferRefusal {
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].join('.').slice(0, 200)
  if (path === '') return refused(null, 'It is one object.')
  return refused(path, unknown === undefined ? `${path}: ${issue?.message ?? ''}` : `Unknown field "${path}".`)
}

export const refused = (param: string | null, detail: string): InferRefusal => ({
  ok: false,
  code: 'invalid_request',
  param,
  detail,
})

// The one form in which tensors cross between gateway and node, are hashed and are counted: four bytes (little-endian) with the length of a JSON
// header, the header in RFC 8785 form, then the tensors' bytes in their order. One request has one such form, so a consumer can hash it again.
import { z } from 'zod'
import { jcs, utf8ToBytes } from './canonical.ts'
import type { Result } from './errors.ts'
import { isWhole, OIP_LIMITS, type InferAnswer, type InferRequest, type Tensor } from './oip.ts'
import { Datatype, Parameters, Shape } from './oip-fields.ts'

const Described = z.strictObject({
  name: z.string().min(1).max(OIP_LIMITS.nameCharacters),
  datatype: Datatype,
  shape: Shape,
  bytes: z.number().int().min(0),
})
const Names = z.array(z.string().min(1).max(OIP_LIMITS.nameCharacters)).max(OIP_LIMITS.tensors)
const RequestHeader = z.strictObject({
  model_name: z.string().max(160),
  inputs: z.array(Described).max(OIP_LIMITS.tensors),
  outputs: Names,
  parameters: Parameters,
})
/** `receipt`: compact JWS; the hash of each output stands in it. */
const AnswerHeader = z.strictObject({
  model_name: z.string().max(160),
  outputs: z.array(Described).min(1).max(OIP_LIMITS.tensors),
  receipt: z.string().max(32_768).optional(),
})

export function encodeRequest({ modelName, inputs, outputs, parameters }: InferRequest): Uint8Array {
  return frame({ model_name: modelName, inputs: inputs.map(described), outputs: [...outputs], parameters }, inputs)
}

export function encodeAnswer({ modelName, outputs }: InferAnswer, receipt: string | null): Uint8Array {
  const header = { model_name: modelName, outputs: outputs.map(described), ...(receipt === null ? {} : { receipt }) }
  return frame(header, outputs)
}

/** Bytes of the header of what was encoded: one of more than OIP_LIMITS.headerBytes is read by nobody. */
export const headerBytesOf = (encoded: Uint8Array): number =>
  new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength).getUint32(0, true)

/** @returns 'malformed' when a length, a shape or the header does not fit. Data are views of `body`, not copies. */
export function decodeRequest(body: Uint8Array): Result<InferRequest, 'malformed'> {
  const parts = unframe(body, RequestHeader)
  const inputs = parts && tensorsOf(parts.header.inputs, parts.data)
  if (!inputs) return { ok: false, code: 'malformed' }
  const { model_name: modelName, outputs, parameters } = parts.header
  return { ok: true, value: { modelName, inputs, outputs, parameters } }
}

export function decodeAnswer(body: Uint8Array): Result<InferAnswer & { readonly receipt: string | null }, 'malformed'> {
  const parts = unframe(body, AnswerHeader)
  const outputs = parts && tensorsOf(parts.header.outputs, parts.data)
  if (!outputs) return { ok: false, code: 'malformed' }
  return { ok: true, value: { modelName: parts.header.model_name, outputs, receipt: parts.header.receipt ?? null } }
}

const described = ({ name, datatype, shape, data }: Tensor) => ({
  name,
  datatype,
  shape: [...shape],
  bytes: data.byteLength,
})

function frame(header: object, tensors: readonly Tensor[]): Uint8Array {
  const text = utf8ToBytes(jcs(header))
  const size = tensors.reduce((sum, { data }) => sum + data.byteLength, 4 + text.byteLength)
  const body = new Uint8Array(size)
  new DataView(body.buffer).setUint32(0, text.byteLength, true)
  body.set(text, 4)
  let at = 4 + text.byteLength
  for (const { data } of tensors) {
    body.set(data, at)
    at += data.byteLength
  }
  return body
}

function unframe<Header>(body: Uint8Array, schema: z.ZodType<Header>): { header: Header; data: Uint8Array } | null {
  if (body.byteLength < 4) return null
  const length = new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(0, true)
  if (length > OIP_LIMITS.headerBytes || 4 + length > body.byteLength) return null
  const header = schema.safeParse(parsed(body.subarray(4, 4 + length)))
  return header.success ? { header: header.data, data: body.subarray(4 + length) } : null
}

function tensorsOf(headers: readonly z.infer<typeof Described>[], data: Uint8Array): Tensor[] | null {
  const tensors: Tensor[] = []
  let at = 0
  for (const { bytes, ...header } of headers) {
    if (at + bytes > data.byteLength) return null
    const tensor = { ...header, data: data.subarray(at, at + bytes) }
    if (!isWhole(tensor)) return null
    tensors.push(tensor)
    at += bytes
  }
  return at === data.byteLength ? tensors : null
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch {
    return null
  }
}

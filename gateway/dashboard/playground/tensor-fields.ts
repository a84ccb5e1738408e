// Tensors as they are typed: for each input of a model a shape and its data as JSON. What is sent is put together from the typed text itself, so that
// no digit of a long integer is lost on the way. Pure.
import { isShape, tensorBytes, type TensorSpec, type Tensor } from '../../../protocol/oip.ts'
import { parseOipJson, tensorFromJson } from '../../../protocol/oip-json.ts'
import { NO_TENSORS } from './asked.ts'

export interface TensorField {
  readonly spec: TensorSpec
  /** such as `1, 16`; empty: as the data is nested */
  readonly shape: string
  /** JSON */
  readonly data: string
}

export type TensorRequest =
  | { readonly ok: true; readonly body: string; readonly inputBytes: number }
  | { readonly ok: false; readonly why: string }

/** The body of a request of the Open Inference Protocol. Without inputs there is none. */
export function tensorRequest(fields: readonly TensorField[]): TensorRequest {
  if (fields.length === 0) return NO_TENSORS
  const texts: string[] = []
  const tensors: Tensor[] = []
  for (const { spec, shape, data } of fields) {
    const { name, datatype } = spec
    const value = parseOipJson(data)
    if (!value.ok) return { ok: false, why: `"${name}": its data is no JSON.` }
    const dimensions = shape.trim() === '' ? nestingOf(value.value) : shapeOf(shape)
    if (!dimensions) return { ok: false, why: `"${name}": its shape is whole numbers, such as 1, 16.` }
    const tensor = tensorFromJson({ name, datatype, shape: dimensions, data: value.value })
    if (!tensor.ok) return { ok: false, why: tensor.detail ?? 'An input is not what its type says.' }
    tensors.push(tensor.value)
    const head = JSON.stringify({ name, datatype, shape: dimensions }).slice(0, -1)
    texts.push(`${head},"data":${data.trim()}}`)
  }
  return { ok: true, body: `{"inputs":[${texts.join(',')}]}`, inputBytes: tensorBytes(tensors) }
}

/** What to begin with: every open dimension is 1, every element 0 or a word. */
export function exampleOf(spec: TensorSpec): TensorField {
  const shape = spec.shape.map((size) => (size === -1 ? 1 : size))
  const elements = shape.reduce((product, size) => product * size, 1)
  const one = spec.datatype === 'BYTES' ? '"Hello"' : spec.datatype === 'BOOL' ? 'false' : '0'
  const data = elements > EXAMPLE_ELEMENTS_MAX ? '[]' : `[${Array.from({ length: elements }, () => one).join(', ')}]`
  return { spec, shape: shape.join(', '), data }
}

/** more than anybody would type */
const EXAMPLE_ELEMENTS_MAX = 64

function shapeOf(text: string): number[] | null {
  const parts = text.split(',').map((part) => part.trim())
  if (!parts.every((part) => /^\d{1,10}$/.test(part))) return null
  const shape = parts.map(Number)
  return isShape(shape) ? shape : null
}

/** Lengths from the outside in, by the first element of each. */
function nestingOf(value: unknown): number[] {
  const shape: number[] = []
  for (let at = value; Array.isArray(at); at = at[0]) shape.push(at.length)
  return shape
}

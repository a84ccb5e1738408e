// Requests of audits in tensors (rule): after the specs of the model's manifest, with values in the range of its author's probes, which are never asked themselves. A dimension
// that varies is given the size that makes the body as long as a real call's. What no node takes is unanswered by all of them, and proves nothing against any.
import type { ModelManifest } from '../../../protocol/model.ts'
import { encodeRequest } from '../../../protocol/oip-canonical.ts'
import { tensorFromJson } from '../../../protocol/oip-json.ts'
import {
  DATATYPE_BYTES,
  elementsOf,
  stringsOf,
  stringsToBytes,
  tensorBytes,
  type Tensor,
} from '../../../protocol/oip.ts'
import { TOLERANCE, type Tolerance } from '../../../protocol/tensor-match.ts'
import { wordOf, type Random } from './vocabulary.ts'

export interface TensorBody {
  readonly body: Uint8Array
  /** of the ticket: in and out */
  readonly tensorBytesMax: number
  readonly inputBytes: number
}

/** bytes of an audit's body at most */
const BODY_BYTES_MAX = 1024 * 1024

/** @param bodyBytes of a real call; null: nothing is known of them. @returns null for a model whose tensors cannot be made up */
export function tensorAudit(manifest: ModelManifest, bodyBytes: number | null, random: Random): TensorBody | null {
  const patterns = patternsOf(manifest, random)
  if (!patterns || !manifest.tensors || patterns.length === 0) return null
  const vary = variableSize(patterns, manifest)
  const make = (size: number | null): { body: Uint8Array; inputBytes: number } => {
    const inputs = patterns.map((pattern) => filled(pattern, shapeOf(pattern, manifest, vary, size), random))
    const body = encodeRequest({ modelName: manifest.id, inputs, outputs: [], parameters: {} })
    return { body, inputBytes: tensorBytes(inputs) }
  }
  const plain = make(null)
  const wanted = bodyBytes === null ? null : Math.min(bodyBytes, BODY_BYTES_MAX)
  const isSized = wanted === null || vary === null || Math.abs(plain.body.byteLength - wanted) <= SIZE_SLACK
  const made = isSized ? plain : make(sizeFor(make, vary, wanted))
  return { ...made, tensorBytesMax: made.inputBytes + manifest.tensors.outputBytesMax }
}

/** The widest tolerance that the author gave, and ten times the usual one where none is given: another processor is no fault. */
export function toleranceOf({ probes }: ModelManifest): Tolerance {
  const own = probes.flatMap((probe) => ('inputs' in probe ? [probe] : []))
  const widest = (of: 'rtol' | 'atol') => Math.max(TOLERANCE[of] * SLACK, ...own.map((probe) => probe[of] ?? 0))
  return { rtol: widest('rtol'), atol: widest('atol') }
}
const SLACK = 10
/** bytes by which a body may miss its size */
const SIZE_SLACK = 16

/** Known inputs of one probe: their shapes hang together. */
function patternsOf(manifest: ModelManifest, random: Random): Tensor[] | null {
  const probes = manifest.probes.flatMap((probe) => ('inputs' in probe ? [probe] : []))
  const probe = probes[Math.floor(random() * probes.length)]
  const read = (probe?.inputs ?? []).map(tensorFromJson)
  const tensors = read.flatMap((tensor) => (tensor.ok ? [tensor.value] : []))
  return tensors.length === read.length ? tensors : null
}

/** The size, in the probe, of the longest dimension that varies: those of the same size there are taken for the same one. */
function variableSize(patterns: readonly Tensor[], manifest: ModelManifest): number | null {
  const sizes = patterns.flatMap(({ name, shape }) => {
    const spec = manifest.tensors?.inputs.find((input) => input.name === name)
    return shape.filter((size, i) => spec?.shape[i] === -1 && size > 0)
  })
  return sizes.length === 0 ? null : Math.max(...sizes)
}

function shapeOf({ name, shape }: Tensor, manifest: ModelManifest, vary: number | null, size: number | null): number[] {
  const spec = manifest.tensors?.inputs.find((input) => input.name === name)
  return shape.map((known, i) => (size !== null && known === vary && spec?.shape[i] === -1 ? size : known))
}

/** The size at which the body is nearest to `wanted`, by the growth of one step: tensors grow evenly with a dimension. */
function sizeFor(make: (size: number) => { body: Uint8Array }, vary: number, wanted: number): number {
  const small = make(vary).body.byteLength
  const step = make(vary + 1).body.byteLength - small
  return step <= 0 ? vary : Math.max(1, vary + Math.round((wanted - small) / step))
}

/** Values as the probe has them: floats and whole numbers evenly between its least and greatest, all others drawn from its own. */
function filled(pattern: Tensor, shape: readonly number[], random: Random): Tensor {
  const count = elementsOf(shape)
  const make = MAKERS[pattern.datatype]
  if (make) return { ...pattern, shape, data: make(pattern, count, random) }
  if (pattern.datatype === 'BYTES') {
    const words = stringsOf(pattern.data).length
    return {
      ...pattern,
      shape,
      data: stringsToBytes(Array.from({ length: words === 0 ? 0 : count }, () => wordOf(random))),
    }
  }
  const width = DATATYPE_BYTES[pattern.datatype] ?? 1
  const known = pattern.data.byteLength / width
  const data = new Uint8Array(known === 0 ? 0 : count * width)
  for (let at = 0; at < data.byteLength; at += width) {
    const from = Math.floor(random() * known) * width
    data.set(pattern.data.subarray(from, from + width), at)
  }
  return { ...pattern, shape, data }
}

type Maker = (pattern: Tensor, count: number, random: Random) => Uint8Array

const MAKERS: Readonly<Partial<Record<Tensor['datatype'], Maker>>> = {
  FP32: ranged(
    4,
    (view, at) => view.getFloat32(at, true),
    (view, at, value) => view.setFloat32(at, value, true),
  ),
  FP64: ranged(
    8,
    (view, at) => view.getFloat64(at, true),
    (view, at, value) => view.setFloat64(at, value, true),
  ),
  INT32: ranged(
    4,
    (view, at) => view.getInt32(at, true),
    (view, at, value) => view.setInt32(at, Math.floor(value), true),
  ),
  INT64: ranged(
    8,
    (view, at) => Number(view.getBigInt64(at, true)),
    (view, at, value) => view.setBigInt64(at, BigInt(Math.floor(value)), true),
  ),
}

function ranged(
  width: number,
  read: (view: DataView, at: number) => number,
  write: (view: DataView, at: number, value: number) => void,
): Maker {
  const isWhole = (value: number) => Number.isInteger(value)
  return ({ data, datatype }, count, random) => {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    const known = Array.from({ length: data.byteLength / width }, (_, i) => read(view, i * width)).filter(
      Number.isFinite,
    )
    const low = known.reduce((least, value) => Math.min(least, value), known[0] ?? 0)
    const high = known.reduce((most, value) => Math.max(most, value), known[0] ?? 0)
    // Whole numbers include the greatest; floats that are all whole in the probe stay whole, since they count or name something.
    const stays = datatype.startsWith('INT') || known.every(isWhole)
    const made = new DataView(new ArrayBuffer(count * width))
    for (let i = 0; i < count; i++) {
      const value = low + random() * (high - low + (stays ? 1 : 0))
      write(made, i * width, stays ? Math.min(high, Math.floor(value)) : value)
    }
    return new Uint8Array(made.buffer)
  }
}

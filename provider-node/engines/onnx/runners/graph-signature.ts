// What a graph takes and gives, by its own account and its manifest's, and whether a call fits it. Refusals name the tensor and say what is wanted.
import type { InferenceSession } from 'onnxruntime-node'
import type { ModelManifest } from '../../../../protocol/model.ts'
import { DATATYPE_BYTES, elementsOf, isWhole, type Datatype, type InferRequest } from '../../../../protocol/oip.ts'
import type { TensorSpec } from '../../../../protocol/oip.ts'
import { badValues, datatypeOf } from './tensor-values.ts'

export interface Slot {
  readonly name: string
  readonly datatype: Datatype
  /** a number is fixed, a name varies ('' has none); null: the graph says nothing */
  readonly shape: readonly (number | string)[] | null
}

export interface Signature {
  readonly inputs: readonly Slot[]
  /** what is given when nobody names outputs */
  readonly outputs: readonly Slot[]
  /** outputs that are sequences, maps or optional values */
  readonly unusable: ReadonlySet<string>
}

/** @throws Error, a sentence for the operator, when the graph is not what the manifest says or cannot be asked in tensors */
export function readSignature(
  session: Pick<InferenceSession, 'inputMetadata' | 'outputMetadata'>,
  { tensors }: Pick<ModelManifest, 'tensors'>,
): Signature {
  const inputs = session.inputMetadata.map((input) => slotOf(input, 'input'))
  const unusable = new Set(session.outputMetadata.flatMap(({ name, isTensor }) => (isTensor ? [] : [name])))
  const outputs = session.outputMetadata.filter(({ isTensor }) => isTensor).map((output) => slotOf(output, 'output'))
  if (!tensors) {
    const [name] = unusable
    if (name !== undefined)
      throw new Error(`its output ${name} is no tensor (a sequence, map or optional): name the others in the manifest`)
    return { inputs, outputs, unusable }
  }
  const missing = inputs.find(({ name }) => !tensors.inputs.some((spec) => spec.name === name))
  if (missing) throw new Error(`its input ${missing.name} is not in the manifest`)
  return {
    inputs: tensors.inputs.map((spec) => agreed(spec, inputs, 'input')),
    outputs: tensors.outputs.map((spec) => agreed(spec, outputs, 'output')),
    unusable,
  }
}

function slotOf(value: InferenceSession.ValueMetadata, kind: string): Slot {
  if (!value.isTensor) throw new Error(`its ${kind} ${value.name} is no tensor (a sequence, map or optional)`)
  const datatype = datatypeOf(value.type)
  if (!datatype) throw new Error(`its ${kind} ${value.name} is ${value.type}, which no caller can send or read`)
  // The runtime tells a scalar and a tensor of unknown rank alike: as no dimensions.
  return { name: value.name, datatype, shape: value.shape.length === 0 ? null : value.shape }
}

/** The graph's slot with the dimensions the manifest fixes. */
function agreed(spec: TensorSpec, slots: readonly Slot[], kind: string): Slot {
  const slot = slots.find(({ name }) => name === spec.name)
  if (!slot) throw new Error(`it has no ${kind} ${spec.name}, which its manifest names`)
  const shape = spec.shape.map((size, index) => (size >= 0 ? size : (slot.shape?.[index] ?? '')))
  const differs = slot.shape?.some((size, index) => typeof size === 'number' && size !== shape[index]) ?? false
  if (slot.datatype !== spec.datatype || (slot.shape && slot.shape.length !== shape.length) || differs)
    throw new Error(`its ${kind} ${spec.name} is ${shown(slot)}, and not what its manifest says`)
  return { ...slot, shape: slot.shape === null && shape.length === 0 ? null : shape }
}

/** Why the call does not fit, as a sentence; null when it does. */
export function misfit({ inputs, outputs, unusable }: Signature, request: InferRequest): string | null {
  const given = new Set<string>()
  for (const tensor of request.inputs) {
    const slot = inputs.find(({ name }) => name === tensor.name)
    if (!slot) return `The model has no input "${tensor.name}".`
    if (given.has(tensor.name)) return `The input "${tensor.name}" is given twice.`
    given.add(tensor.name)
    const isOfShape =
      slot.shape === null ||
      (slot.shape.length === tensor.shape.length &&
        slot.shape.every((size, index) => typeof size === 'string' || size === tensor.shape[index]))
    if (slot.datatype !== tensor.datatype || !isOfShape)
      return `The input "${tensor.name}" is ${shown(slot)}, not ${shown(tensor)}.`
    if (!isWhole(tensor)) return `The bytes of the input "${tensor.name}" are not those of its shape.`
    const bad = badValues(tensor)
    if (bad) return bad
  }
  const missing = inputs.find(({ name }) => !given.has(name))
  if (missing) return `The input "${missing.name}" is missing.`
  return badOutputs(outputs, unusable, request.outputs)
}

function badOutputs(outputs: readonly Slot[], unusable: ReadonlySet<string>, wanted: readonly string[]): string | null {
  for (const [index, name] of wanted.entries()) {
    if (unusable.has(name)) return `The output "${name}" is a sequence, a map or optional, and no tensor.`
    if (!outputs.some((slot) => slot.name === name)) return `The model has no output "${name}".`
    if (wanted.indexOf(name) !== index) return `The output "${name}" is asked for twice.`
  }
  return null
}

/** Bytes of the outputs as far as they are known before the run: fixed dimensions, and those an input shares by name. */
export function knownOutputBytes(signature: Signature, request: InferRequest, names: readonly string[]): number {
  const sizes = new Map<string, number>()
  for (const { name, shape } of signature.inputs) {
    const tensor = request.inputs.find((input) => input.name === name)
    shape?.forEach((size, index) => {
      const given = tensor?.shape[index]
      if (typeof size === 'string' && size !== '' && given !== undefined) sizes.set(size, given)
    })
  }
  return signature.outputs
    .filter(({ name }) => names.includes(name))
    .map(({ datatype, shape }) => {
      const known = shape?.map((size) => (typeof size === 'number' ? size : (sizes.get(size) ?? null))) ?? [null]
      const dims = known.filter((size) => size !== null)
      return dims.length === known.length ? elementsOf(dims) * (DATATYPE_BYTES[datatype] ?? 4) : 0
    })
    .reduce((sum, bytes) => sum + bytes, 0)
}

/** @example 'FP32 [-1,2048]' */
const shown = ({ datatype, shape }: { datatype: Datatype; shape: readonly (number | string)[] | null }): string =>
  `${datatype}${shape ? ` [${shape.map((size) => (typeof size === 'number' ? size : -1)).join(',')}]` : ''}`

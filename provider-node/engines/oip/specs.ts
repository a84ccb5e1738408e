// Tensors against what a manifest says of them (rule): the server's own description once at start, a caller's inputs before they cost anything,
// and what comes back. -1 is a dimension that varies.
import type { Tensor, TensorSpec } from '../../../protocol/oip.ts'

interface Specs {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

/** As a server describes a tensor: its types may be more than ours. */
interface Described {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly number[]
}

/**
 * Whether a server is the one the manifest means. A server may have outputs that nobody asks for; its inputs are all needed.
 * @returns a sentence for the operator; null when all fits
 */
export function mismatch(
  { inputs, outputs }: Specs,
  server: { readonly inputs: readonly Described[]; readonly outputs: readonly Described[] },
): string | null {
  const more = server.inputs.find(({ name }) => !inputs.some((spec) => spec.name === name))
  if (more) return `it needs an input "${more.name.slice(0, 80)}", which the manifest does not have`
  for (const spec of inputs) {
    const wrong = against(spec, server.inputs, 'input', (own, theirs) => theirs === -1 || own === theirs)
    if (wrong !== null) return wrong
  }
  for (const spec of outputs) {
    const wrong = against(
      spec,
      server.outputs,
      'output',
      (own, theirs) => theirs === -1 || own === -1 || own === theirs,
    )
    if (wrong !== null) return wrong
  }
  return null
}

function against(
  spec: TensorSpec,
  described: readonly Described[],
  what: 'input' | 'output',
  isWithin: (own: number, theirs: number) => boolean,
): string | null {
  const theirs = described.find(({ name }) => name === spec.name)
  if (!theirs) return `it has no ${what} "${spec.name}"`
  if (theirs.datatype !== spec.datatype)
    return `its ${what} "${spec.name}" is ${theirs.datatype.slice(0, 16)}, in the manifest ${spec.datatype}`
  const fits =
    theirs.shape.length === spec.shape.length &&
    spec.shape.every((size, index) => isWithin(size, theirs.shape[index] ?? 0))
  if (fits) return null
  return `its ${what} "${spec.name}" has the shape [${theirs.shape.join(', ').slice(0, 200)}], in the manifest [${spec.shape.join(', ')}]`
}

/** @returns a sentence for the caller that names the tensor and quotes no value; null when all fits */
export function wrongInputs(inputs: readonly Tensor[], specs: readonly TensorSpec[]): string | null {
  for (const [index, tensor] of inputs.entries()) {
    const spec = specs.find(({ name }) => name === tensor.name)
    if (!spec) return `The model has no input "${tensor.name}".`
    if (inputs.findIndex(({ name }) => name === tensor.name) !== index) return `"${tensor.name}" stands there twice.`
    const wrong = unfit(tensor, spec)
    if (wrong !== null) return wrong
  }
  const missing = specs.find(({ name }) => !inputs.some((tensor) => tensor.name === name))
  return missing ? `The input "${missing.name}" is missing.` : null
}

/** @returns the names in the order asked for, else in the model's; a sentence when one is not the model's */
export function wantedOutputs(asked: readonly string[], specs: readonly TensorSpec[]): readonly string[] | string {
  const unknown = asked.find((name) => !specs.some((spec) => spec.name === name))
  if (unknown !== undefined) return `The model has no output "${unknown}".`
  const twice = asked.find((name, index) => asked.indexOf(name) !== index)
  if (twice !== undefined) return `"${twice}" stands there twice.`
  return asked.length > 0 ? asked : specs.map(({ name }) => name)
}

/** Type and shape; null when they fit. */
export function unfit({ name, datatype, shape }: Omit<Tensor, 'data'>, spec: TensorSpec): string | null {
  if (datatype !== spec.datatype) return `"${name}" is ${spec.datatype}, not ${datatype}.`
  const fits =
    shape.length === spec.shape.length && spec.shape.every((size, index) => size === -1 || size === shape[index])
  return fits ? null : `"${name}" has the shape [${spec.shape.join(', ')}], where -1 is any.`
}

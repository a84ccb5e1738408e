// Whether tensors are those that a model takes and gives (rule). Asked of a caller's inputs, so that no node is paid to find out, of a node's
// outputs, because a node is a stranger, and of an author's probes. Each answer names the first tensor that does not fit, in words for who sent it.
import type { ModelManifest } from '../../../protocol/model.ts'
import { tensorBytes, type InferRequest, type Tensor, type TensorSpec } from '../../../protocol/oip.ts'

export type TensorSpecs = NonNullable<ModelManifest['tensors']>

export interface Misfit {
  readonly tensor: string
  readonly why: string
}

/** Null when inputs and the outputs asked for are the model's. */
export function requestMisfit(
  { inputs, outputs }: Pick<InferRequest, 'inputs' | 'outputs'>,
  specs: TensorSpecs,
): Misfit | null {
  const missing = specs.inputs.find(({ name }) => !inputs.some((input) => input.name === name))
  if (missing) return { tensor: missing.name, why: `The input "${missing.name}" is missing.` }
  for (const input of inputs) {
    const why = misfit(input, specs.inputs, 'input')
    if (why !== null) return { tensor: input.name, why }
  }
  const unknown = outputs.find((name) => !specs.outputs.some((spec) => spec.name === name))
  return unknown === undefined ? null : { tensor: unknown, why: `The model has no output "${unknown}".` }
}

/** Null when a node gave each output that was asked for, once and nothing else, as the model has it. @param wanted empty: all */
export function answerMisfit(outputs: readonly Tensor[], wanted: readonly string[], specs: TensorSpecs): Misfit | null {
  const names = wanted.length > 0 ? wanted : specs.outputs.map(({ name }) => name)
  const missing = names.find((name) => outputs.filter((output) => output.name === name).length !== 1)
  if (missing !== undefined) return { tensor: missing, why: `The output "${missing}" is not there once.` }
  for (const output of outputs) {
    if (!names.includes(output.name)) return { tensor: output.name, why: `Nobody asked for "${output.name}".` }
    const why = misfit(output, specs.outputs, 'output')
    if (why !== null) return { tensor: output.name, why }
  }
  const bytes = tensorBytes(outputs)
  return bytes <= specs.outputBytesMax
    ? null
    : { tensor: '', why: `${bytes} bytes are more than the model’s ${specs.outputBytesMax}.` }
}

function misfit(tensor: Tensor, specs: readonly TensorSpec[], what: 'input' | 'output'): string | null {
  const { name, datatype, shape } = tensor
  const spec = specs.find((known) => known.name === name)
  if (!spec) return `The model has no ${what} "${name}".`
  if (spec.datatype !== datatype) return `"${name}" is ${datatype}, and the model’s is ${spec.datatype}.`
  const fits = shape.length === spec.shape.length && spec.shape.every((size, i) => size === -1 || size === shape[i])
  return fits ? null : `"${name}" has shape [${shape.join(', ')}], and the model’s is [${spec.shape.join(', ')}].`
}

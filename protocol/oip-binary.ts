// The server's side of the Open Inference Protocol: a caller's request in either form becomes one InferRequest, and an answer takes the form in
// which each output was asked for (Triton's binary tensor data: oip-framing.ts). Unknown fields are refused by name, as everywhere.
import { z } from 'zod'
import type { Result } from './errors.ts'
import { OIP_LIMITS, type InferAnswer, type InferRequest } from './oip.ts'
import { Parameters, TensorName } from './oip-fields.ts'
import {
  BinarySize,
  describedFields,
  readHeader,
  readTensors,
  refused,
  writeTensors,
  type InferRefusal,
  type WrittenBody,
} from './oip-framing.ts'

const Input = z.strictObject({
  ...describedFields,
  parameters: z.strictObject({ binary_data_size: BinarySize.optional() }).optional(),
})
const Output = z.strictObject({
  name: TensorName,
  parameters: z.strictObject({ binary_data: z.boolean().optional() }).optional(),
})
const RequestJson = z.strictObject({
  id: z.string().max(OIP_LIMITS.nameCharacters).optional(),
  parameters: Parameters.optional(),
  /** none: a graph of constants, or of chance */
  inputs: z.array(Input).max(OIP_LIMITS.tensors),
  outputs: z.array(Output).max(OIP_LIMITS.tensors).optional(),
})

export interface InferBody {
  readonly request: InferRequest
  /** the caller's own name for it, given back with the answer */
  readonly id: string | null
  /** how the caller takes this output */
  readonly wantsBinary: (output: string) => boolean
}

/** Tensors given in binary are views of `body`, not copies. @param headerLength what HEADER_LENGTH said; null without it */
export function readInferBody(
  body: Uint8Array,
  headerLength: number | null,
  modelName: string,
): { readonly ok: true; readonly value: InferBody } | InferRefusal {
  const read = readHeader(body, headerLength, RequestJson)
  if (!read.ok) return read
  const { header, data } = read.value
  const { id = null, inputs, outputs = [], parameters: { binary_data_output: all, ...parameters } = {} } = header
  if (all !== undefined && typeof all !== 'boolean')
    return refused('parameters.binary_data_output', 'It is true or false.')
  const twice = repeated(inputs) ?? repeated(outputs)
  if (twice !== null) return refused(twice, `"${twice}" stands there twice.`)
  const tensors = readTensors(inputs, data)
  if (!tensors.ok) return tensors
  const own = new Map(outputs.map((output) => [output.name, output.parameters?.binary_data]))
  const request = { modelName, inputs: tensors.value, outputs: outputs.map(({ name }) => name), parameters }
  return { ok: true, value: { request, id, wantsBinary: (output) => own.get(output) ?? all ?? false } }
}

function repeated(tensors: readonly { readonly name: string }[]): string | null {
  const names = tensors.map(({ name }) => name)
  return names.find((name, index) => names.indexOf(name) < index) ?? null
}

export interface AnswerToWrite extends InferAnswer {
  readonly modelVersion: string
  readonly id: string | null
  readonly parameters: Parameters
  readonly wantsBinary: (output: string) => boolean
}

/** @returns 'not_utf8' with a sentence that names an output which JSON cannot say and nobody wants in binary */
export function writeInferAnswer(answer: AnswerToWrite): Result<WrittenBody, 'not_utf8'> {
  const { modelName: model_name, modelVersion: model_version, id, parameters, outputs, wantsBinary } = answer
  const head = { model_name, model_version, ...(id === null ? {} : { id }), parameters }
  return writeTensors(head, 'outputs', outputs, wantsBinary)
}

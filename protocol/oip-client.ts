// The caller's side of the Open Inference Protocol: a request written in either form, and any server's answer read (Triton's binary tensor data:
// oip-framing.ts). For the engine that fronts such a server, for our client, and for whoever tests the other side.
import { z } from 'zod'
import type { Result } from './errors.ts'
import { OIP_LIMITS, type InferAnswer, type InferRequest } from './oip.ts'
import {
  BinarySize,
  describedFields,
  readHeader,
  readTensors,
  writeTensors,
  type InferRefusal,
  type WrittenBody,
} from './oip-framing.ts'

/** What the caller wants beside the request itself. */
interface Form {
  readonly id?: string
  /** inputs that go in binary, outputs that shall come so; asked of '' when all outputs are wanted */
  readonly isBinary: (name: string) => boolean
}

/**
 * Of binary tensors nothing is said where there are none: servers without that extension know no such parameters.
 * @returns 'not_utf8' for an input that JSON cannot say and that is not to go in binary
 */
export function writeInferRequest(
  { inputs, outputs, parameters }: Omit<InferRequest, 'modelName'>,
  { id, isBinary }: Form,
): Result<WrittenBody, 'not_utf8'> {
  const wanted = outputs.map((name) => ({ name, ...(isBinary(name) ? { parameters: { binary_data: true } } : {}) }))
  const allBinary = outputs.length === 0 && isBinary('')
  const head = {
    ...(id === undefined ? {} : { id }),
    parameters: allBinary ? { ...parameters, binary_data_output: true } : parameters,
    ...(outputs.length > 0 ? { outputs: wanted } : {}),
  }
  return writeTensors(head, 'inputs', inputs, isBinary)
}

/** Loose: a server may say more than it must. */
const AnswerJson = z.object({
  model_name: z.string().max(1_024).nullish(),
  id: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  outputs: z
    .array(
      z.object({
        ...describedFields,
        parameters: z.looseObject({ binary_data_size: BinarySize.optional() }).nullish(),
      }),
    )
    .min(1)
    .max(OIP_LIMITS.tensors),
})

export interface ReadAnswer extends InferAnswer {
  readonly id: string | null
  readonly parameters: Readonly<Record<string, unknown>>
}

/** Tensors that came in binary are views of `body`. @param headerLength what HEADER_LENGTH said; null without it */
export function readInferAnswer(
  body: Uint8Array,
  headerLength: number | null,
): { readonly ok: true; readonly value: ReadAnswer } | InferRefusal {
  const read = readHeader(body, headerLength, AnswerJson)
  if (!read.ok) return read
  const { model_name: modelName, id, parameters, outputs: described } = read.value.header
  const outputs = readTensors(described, read.value.data)
  if (!outputs.ok) return outputs
  const said = { modelName: modelName ?? '', id: id ?? null, parameters: parameters ?? {} }
  return { ok: true, value: { ...said, outputs: outputs.value } }
}

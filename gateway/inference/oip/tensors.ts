// Calls of tensor models: what a node is asked, how its answer is read, and what the caller gets. Tensors cross to a node in their canonical form,
// encoded once per call; the node's answer is believed only as far as the model's manifest goes. The gateway counts the bytes itself: a node's
// own count is never asked for.
import { TENSOR_TASKS } from '../../../protocol/model.ts'
import { NODE_PATHS } from '../../../protocol/node.ts'
import { OIP_LIMITS, tensorBytes, type Parameters, type Tensor } from '../../../protocol/oip.ts'
import { writeInferAnswer, type InferBody } from '../../../protocol/oip-binary.ts'
import { decodeAnswer } from '../../../protocol/oip-canonical.ts'
import type { WrittenBody } from '../../../protocol/oip-framing.ts'
import { tensorJsonParts } from '../../../protocol/oip-json.ts'
import { bytes, tokens, toUsd } from '../../../protocol/units.ts'
import { assert, GatewayError } from '../../core/errors.ts'
import type { CallTimeouts } from '../../core/limits.ts'
import type { Model } from '../../market/market-port.ts'
import { answerMisfit, requestMisfit, type TensorSpecs } from '../../market/models/tensor-fit.ts'
import type { Serve } from '../attempts/attempt.ts'
import { AttemptFailure } from '../attempts/failure.ts'
import { nodeBytes } from '../attempts/node-events.ts'
import type { Order, OrderDraft } from '../order/order.ts'
import { shapeOf } from '../order/request-traits.ts'
import type { CapturedCall } from '../settle/settle.ts'

/** The files of a model never change under one id, so it has one version; its digest is the other name of it. */
export const VERSION = '1'

export interface TensorAnswer {
  /** in the node's order, which is that of the receipt's hashes */
  readonly outputs: readonly Tensor[]
  /** those that JSON cannot say: they go in binary, whatever was asked for */
  readonly unsayable: ReadonlySet<string>
  readonly receipt: string | null
}

/** @throws GatewayError model_not_found */
export function requireVersion({ digest }: Model, version: string): void {
  if (version === VERSION || version === digest) return
  throw new GatewayError('model_not_found', { param: 'version', detail: `It has "${VERSION}" and its digest.` })
}

/** @param encoded the request's canonical form: what every node gets */
export function tensorDraft({ request }: InferBody, encoded: Uint8Array, version: string): OrderDraft {
  const inputBytes = tensorBytes(request.inputs)
  return {
    task: TENSOR_TASKS,
    path: NODE_PATHS.infer,
    stream: false,
    check: (model) => {
      requireVersion(model, version)
      const misfit = requestMisfit(request, specsOf(model))
      if (misfit) throw new GatewayError('invalid_request', { param: misfit.tensor, detail: misfit.why })
    },
    most: (model) => ({
      inputTokens: tokens(0),
      outputTokens: tokens(0),
      tensorBytes: bytes(inputBytes + specsOf(model).outputBytesMax),
    }),
    shape: shapeOf({}, request.inputs.length),
    bodyFor: () => encoded,
  }
}

/** @throws AttemptFailure unless the answer is exactly the outputs asked for */
export function serveTensors({ request }: InferBody, model: Model, timeouts: CallTimeouts): Serve<TensorAnswer> {
  const specs = specsOf(model)
  const bytesMax = Math.min(specs.outputBytesMax + FRAME_BYTES, OIP_LIMITS.bodyBytes)
  return async (response, { meter, watch, noteFirstOutput }) => {
    const decoded = decodeAnswer(await nodeBytes(response, watch, bytesMax, timeouts.gapMs))
    if (!decoded.ok || decoded.value.modelName !== model.id) throw wrong('its answer is not of the wire')
    const { outputs, receipt } = decoded.value
    const misfit = answerMisfit(outputs, request.outputs, specs)
    // The sentence names a tensor as the node wrote it, so it is no cause for a log.
    if (misfit) throw wrong('its tensors are not those of the model')
    meter.noteTensors(tensorBytes(request.inputs) + tensorBytes(outputs))
    noteFirstOutput()
    const unsayable = new Set(outputs.filter((output) => !tensorJsonParts(output).ok).map(({ name }) => name))
    return { outputs, unsayable, receipt }
  }
}

/** The answer as this caller wants each output, JSON or binary; what JSON cannot say is binary, as its header tells. */
export function tensorReply(
  order: Order,
  { id, wantsBinary: asked }: InferBody,
  call: CapturedCall<TensorAnswer>,
): WrittenBody {
  const parameters: Parameters = {
    souk_call_id: order.callId,
    souk_node: call.offer.nodeId,
    souk_cost: toUsd(call.chargeNanos),
    ...(call.parts.length > 1 && { souk_parts: call.parts.map(({ nodeId }) => nodeId).join(',') }),
    souk_salt: call.salt,
    ...(call.receipt === null ? {} : { souk_receipt: call.receipt }),
  }
  const { outputs, unsayable } = call.answer
  const wantsBinary = (output: string) => asked(output) || unsayable.has(output)
  const answer = { modelName: order.model.id, modelVersion: VERSION, id, parameters, outputs, wantsBinary }
  const written = writeInferAnswer(answer)
  assert(written.ok, 'what JSON cannot say goes in binary')
  return written.value
}

/** bytes that stand around the outputs of an answer: its header, and the header's length */
const FRAME_BYTES = 4 + OIP_LIMITS.headerBytes

/** @throws GatewayError for a model that was published without saying what goes in and comes out */
export function specsOf({ manifest }: Model): TensorSpecs {
  if (!manifest.tensors)
    throw new GatewayError('unsupported_model_task', { param: 'model', detail: 'Its manifest names no tensors.' })
  return manifest.tensors
}

const wrong = (cause: string) => new AttemptFailure('provider_failed', 'node', { cause: new Error(cause) })

// Embeddings: the body a node gets and the reading of its answer. Vectors come as numbers and leave as numbers or base64, as the caller asked.
import { NODE_PATHS, NodeEmbeddingReply } from '../../../protocol/node.ts'
import type { EmbeddingReply, EmbeddingRequest } from '../../../protocol/openai.ts'
import { vectorBytes } from '../../../protocol/receipt.ts'
import { toUsd, tokens } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Model } from '../../market/market-port.ts'
import type { Serve } from '../attempts/attempt.ts'
import { AttemptFailure } from '../attempts/failure.ts'
import { nodeJson } from '../attempts/node-events.ts'
import type { Order, OrderDraft } from '../order/order.ts'
import { inputBound, lengthBound, utf8Bytes } from '../order/quote.ts'
import { parametersInUse, shapeOf } from '../order/request-traits.ts'
import type { CapturedCall } from '../settle/settle.ts'
import { given } from '../text/text-draft.ts'
import { trailer } from '../text/text-words.ts'

export interface EmbeddingAnswer {
  readonly vectors: readonly (readonly number[])[]
  readonly receipt: string | null
}

export function embeddingDraft(request: EmbeddingRequest): OrderDraft {
  const input = inputsOf(request)
  const bytesOf = (value: unknown) => utf8Bytes(JSON.stringify(value))
  const { dimensions } = request
  const bytes = bytesOf(input)
  const longest = Math.max(...input.map(bytesOf))
  return {
    task: 'embeddings',
    path: NODE_PATHS.embeddings,
    stream: false,
    most: (model) => ({ inputTokens: inputBound(bytes, input.length, model, input.length), outputTokens: tokens(0) }),
    longestTokens: (model) => lengthBound(longest, 1, model),
    check: (model) => checkDimensions(dimensions ?? null, model),
    preferences: request.provider ?? null,
    parameters: parametersInUse({ dimensions }),
    shape: shapeOf({ dimensions }, input.length),
    bodyFor: (model) => JSON.stringify({ model: model.id, input, ...given({ dimensions }) }),
  }
}

/** Cutting a vector keeps its meaning only where the model was made for it, and only as far as its author says. */
function checkDimensions(asked: number | null, { manifest }: Model): void {
  if (asked === null) return
  const { dimensions = 0, dimensionsMin = dimensions } = manifest
  if (asked >= dimensionsMin && asked <= dimensions) return
  const served = dimensionsMin < dimensions ? `of ${dimensionsMin} to ${dimensions} dimensions` : 'of one length only'
  throw new GatewayError('invalid_request', { param: 'dimensions', detail: `dimensions: its vectors are ${served}` })
}

/**
 * @param dimensions of the model
 * @throws AttemptFailure unless there is one vector of the length asked for, or of the model's, for each input, in order
 */
export function serveEmbeddings(request: EmbeddingRequest, dimensions: number | undefined): Serve<EmbeddingAnswer> {
  const wanted = inputsOf(request).length
  return async (response, { meter, watch, noteFirstOutput }) => {
    const parsed = NodeEmbeddingReply.safeParse(await nodeJson(response, watch))
    if (!parsed.success) throw new AttemptFailure('provider_failed', 'node', { cause: parsed.error })
    const vectors = [...parsed.data.data].sort((a, b) => a.index - b.index)
    const length = request.dimensions ?? dimensions ?? vectors[0]?.embedding.length
    const isWhole = vectors.length === wanted && vectors.every((v, i) => v.index === i && v.embedding.length === length)
    if (!isWhole)
      throw new AttemptFailure('provider_failed', 'node', {
        cause: new Error('vectors are missing or of another length'),
      })
    meter.noteClaim(parsed.data.usage)
    meter.noteBytes(vectors.length * (vectors[0]?.embedding.length ?? 0) * 4)
    noteFirstOutput()
    return { vectors: vectors.map((v) => v.embedding), receipt: parsed.data.receipt ?? null }
  }
}

export function embeddingReply(
  order: Order,
  request: EmbeddingRequest,
  call: CapturedCall<EmbeddingAnswer>,
): EmbeddingReply {
  const encode = (vector: readonly number[]) =>
    request.encoding_format === 'base64' ? base64(vectorBytes(vector)) : [...vector]
  const used = Number(call.units.inputTokens)
  return {
    object: 'list',
    model: order.model.id,
    data: call.answer.vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })),
    usage: { prompt_tokens: used, total_tokens: used, cost: toUsd(call.chargeNanos) },
    provider: call.offer.nodeId,
    souk: trailer(order, call),
  }
}

const inputsOf = (request: EmbeddingRequest): string[] =>
  typeof request.input === 'string' ? [request.input] : request.input

function base64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

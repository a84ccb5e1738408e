// Probes in words: a chat that must contain the known answer, and an embedding that must be a vector of the right length.
import { utf8ToBytes } from '../../../protocol/canonical.ts'
import type { ModelManifest } from '../../../protocol/model.ts'
import { NODE_PATHS, NodeChatEvent, NodeEmbeddingReply } from '../../../protocol/node.ts'
import { outputHash, requestHash, vectorBytes } from '../../../protocol/receipt.ts'
import { SseDecoder } from '../../../protocol/sse.ts'
import { LIMITS } from '../../core/limits.ts'
import { boundedChunks, boundedJson } from '../../link/bounded.ts'
import type { Offer } from '../market-port.ts'
import { NodeFailure } from './node-failure.ts'
import type { ProbeAnswer, ProbeCall } from './probe-receipt.ts'

export interface TextProbe {
  readonly input: string
  readonly contains?: string | undefined
}

/** An answer that contains what it should is short. */
const PROBE_OUTPUT_TOKENS = 64
const CHAT_BYTES_MAX = 256 * 1024

export function chatProbe(probe: TextProbe, manifest: ModelManifest, offer: Offer): ProbeCall {
  const outputTokensMax = Math.min(PROBE_OUTPUT_TOKENS, manifest.outputTokensMax)
  const messages = [{ role: 'user', content: probe.input }]
  const body = {
    model: manifest.id,
    messages,
    stream: true,
    max_tokens: Math.min(outputTokensMax, offer.outputTokensMax),
    temperature: 0,
  }
  return {
    path: NODE_PATHS.chat,
    body: JSON.stringify(body),
    inputTokensMax: inputBound(messages, manifest),
    outputTokensMax,
    requestHash: (salt) => requestHash(salt, body),
    read: (response, salt, signal) => readChat(response, probe.contains ?? '', salt, signal),
  }
}

export function vectorProbe({ input }: TextProbe, manifest: ModelManifest): ProbeCall {
  const body = { model: manifest.id, input: [input] }
  return {
    path: NODE_PATHS.embeddings,
    body: JSON.stringify(body),
    inputTokensMax: inputBound(body.input, manifest),
    outputTokensMax: 0,
    requestHash: (salt) => requestHash(salt, body),
    read: (response, salt, signal) => readVector(response, manifest.dimensions, salt, signal),
  }
}

/** The very bound that a call's ticket names (the inference room's quote). */
function inputBound(input: readonly unknown[], { bytesPerTokenMin, templateTokens, contextTokens }: ModelManifest) {
  const bytes = utf8ToBytes(JSON.stringify(input)).length
  return Math.min(
    Math.ceil(bytes / bytesPerTokenMin) + templateTokens.fixed + templateTokens.perMessage * input.length,
    contextTokens,
  )
}

async function readChat(response: Response, contains: string, salt: string, signal: AbortSignal): Promise<ProbeAnswer> {
  const decoder = new SseDecoder(LIMITS.nodeEventBytes)
  let content = ''
  let receipt: string | null = null
  let isOver = false
  for await (const chunk of boundedChunks(response, CHAT_BYTES_MAX, signal)) {
    for (const { data } of decoder.push(chunk)) {
      isOver ||= data === '[DONE]'
      if (isOver) break
      const event = NodeChatEvent.safeParse(JSON.parse(data))
      if (!event.success) throw new NodeFailure('It sent an event that is not of the wire.')
      content += event.data.choices[0]?.delta.content ?? ''
      receipt = event.data.receipt ?? receipt
    }
    if (isOver) break
  }
  if (!isOver) throw new NodeFailure('It broke off its answer.')
  if (!content.includes(contains)) throw new NodeFailure('Its answer is not the known one.')
  // A caller pays nothing for it, whatever was asked.
  if (content === '') throw new NodeFailure('Its answer is empty.')
  return { receipt, outputs: [outputHash(salt, content)], tensorBytes: 0 }
}

async function readVector(
  response: Response,
  dimensions: number | undefined,
  salt: string,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const reply = NodeEmbeddingReply.safeParse(await boundedJson(response, LIMITS.nodeAnswerBytes, signal))
  if (!reply.success) throw new NodeFailure('It sent an answer that is not of the wire.')
  const vector = reply.data.data[0]?.embedding ?? []
  const isWhole = reply.data.data.length === 1 && vector.length === dimensions
  if (!isWhole || !vector.every(Number.isFinite))
    throw new NodeFailure(`Its answer is not one vector of ${dimensions} numbers.`)
  if (vector.every((value) => value === 0)) throw new NodeFailure('Its vector is all zeros.')
  return { receipt: reply.data.receipt ?? null, outputs: [outputHash(salt, vectorBytes(vector))], tensorBytes: 0 }
}

// A node's answer to an audit, read as the relay reads a call's: bounded in bytes and time, to its very end. A long text is left as callers leave one, since what came of it is
// enough. Nothing of it is kept but in memory, until it is compared.
import { concatBytes } from '../../../protocol/canonical.ts'
import { NodeChatEvent, NodeEmbeddingReply, NodeUsageClaim } from '../../../protocol/node.ts'
import { decodeAnswer } from '../../../protocol/oip-canonical.ts'
import { tensorBytes } from '../../../protocol/oip.ts'
import type { FinishReason } from '../../../protocol/openai.ts'
import { outputHash, vectorBytes } from '../../../protocol/receipt.ts'
import { SseDecoder } from '../../../protocol/sse.ts'
import { LIMITS } from '../../core/limits.ts'
import { boundedChunks, boundedJson } from '../../link/bounded.ts'
import { NodeFailure } from '../admission/node-failure.ts'
import { answerMisfit, type TensorSpecs } from '../models/tensor-fit.ts'
import type { AuditAnswer, Counts } from './compare.ts'

export interface ReadAnswer {
  readonly answer: AuditAnswer
  readonly receipt: string | null
  /** of its outputs, as its receipt must have them; null where it was left before its end */
  readonly outputs: ((salt: string) => readonly string[]) | null
  /** UTF-8 bytes of text, bytes of vectors; of tensors, those that came out */
  readonly outputBytes: number
}

/** What a reader tells while it reads. */
export interface Reading {
  readonly signal: AbortSignal
  /** the first output is there; later ones change nothing */
  readonly noteFirst: () => void
  /** whether what came is enough, and the rest is left */
  readonly isEnough: (characters: number) => boolean
}

/** @throws NodeFailure, AnswerTooLarge, SyntaxError, and the signal's reason */
export async function readText(response: Response, choices: number, reading: Reading): Promise<ReadAnswer> {
  const decoder = new SseDecoder(LIMITS.nodeEventBytes)
  const made = Array.from({ length: choices }, () => ({ text: '', finish: null as FinishReason | null }))
  let counts: Counts | null = null
  let receipt: string | null = null
  let characters = 0
  let isOver = false
  for await (const chunk of boundedChunks(response, LIMITS.nodeAnswerBytes, reading.signal)) {
    for (const { data } of decoder.push(chunk)) {
      // What comes behind its end is read and thrown away: a connection that is let go of in its last packet would be a sign.
      isOver ||= data === '[DONE]'
      if (isOver) break
      const event = NodeChatEvent.safeParse(JSON.parse(data))
      if (!event.success) throw new NodeFailure('It sent an event that is not of the wire.')
      const [said] = event.data.choices
      const choice = said && made[said.index]
      if (said && !choice) throw new NodeFailure('It sent a choice that nobody asked for.')
      if (choice) {
        choice.text += said.delta.content ?? ''
        choice.finish ??= said.finish_reason ?? null
        characters += said.delta.content?.length ?? 0
        if (characters > 0) reading.noteFirst()
      }
      counts = countsOf(event.data.usage) ?? counts
      receipt = event.data.receipt ?? receipt
    }
    if (!isOver && reading.isEnough(characters)) break
  }
  const isWhole = isOver && made.every(({ finish }) => finish !== null)
  if (!isWhole && !reading.isEnough(characters)) throw new NodeFailure('It broke off its answer.')
  if (characters === 0) throw new NodeFailure('Its answer is empty.')
  const texts = made.map(({ text }) => text)
  return {
    // What was left, and what was cut by its length, goes with every longer text that begins like it.
    answer: {
      kind: 'text',
      choices: made.map(({ text, finish }) => ({ text, finish: finish ?? 'length' })),
      counts: isWhole ? counts : null,
    },
    receipt,
    outputs: isWhole ? (salt) => texts.map((text) => outputHash(salt, text)) : null,
    outputBytes: new TextEncoder().encode(texts.join('')).byteLength,
  }
}

export async function readVectors(
  response: Response,
  inputs: number,
  dimensions: number | undefined,
  { signal, noteFirst }: Reading,
): Promise<ReadAnswer> {
  const reply = NodeEmbeddingReply.safeParse(await boundedJson(response, LIMITS.nodeAnswerBytes, signal))
  if (!reply.success) throw new NodeFailure('It sent an answer that is not of the wire.')
  noteFirst()
  const vectors = [...reply.data.data].sort((a, b) => a.index - b.index).map(({ embedding }) => embedding)
  const length = dimensions ?? vectors[0]?.length
  const isWhole = vectors.length === inputs && vectors.every((vector) => vector.length === length)
  if (!isWhole) throw new NodeFailure('Vectors are missing or of another length.')
  return {
    answer: { kind: 'vectors', vectors, counts: countsOf(reply.data.usage) },
    receipt: reply.data.receipt ?? null,
    outputs: (salt) => vectors.map((vector) => outputHash(salt, vectorBytes(vector))),
    outputBytes: vectors.length * (vectors[0]?.length ?? 0) * 4,
  }
}

export async function readTensors(
  response: Response,
  modelName: string,
  specs: TensorSpecs,
  { signal, noteFirst }: Reading,
): Promise<ReadAnswer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of boundedChunks(response, specs.outputBytesMax + FRAME_BYTES, signal)) chunks.push(chunk)
  const decoded = decodeAnswer(concatBytes(...chunks))
  if (!decoded.ok || decoded.value.modelName !== modelName)
    throw new NodeFailure('It sent an answer that is not of the wire.')
  noteFirst()
  const { outputs, receipt } = decoded.value
  if (answerMisfit(outputs, [], specs)) throw new NodeFailure('Its tensors are not those of the model.')
  return {
    answer: { kind: 'tensors', outputs },
    receipt,
    outputs: (salt) => outputs.map(({ data }) => outputHash(salt, data)),
    outputBytes: tensorBytes(outputs),
  }
}

/** bytes of what stands around the outputs: the header and its length */
const FRAME_BYTES = 4 + 256 * 1024

/** A claim that is no number is none. */
function countsOf(usage: unknown): Counts | null {
  const claim = NodeUsageClaim.safeParse(usage).data
  return claim ? { inputTokens: claim.prompt_tokens, outputTokens: claim.completion_tokens } : null
}

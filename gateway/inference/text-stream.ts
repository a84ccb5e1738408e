// A streamed text: one pump that reads the node and writes the caller, kept alive by waitUntil beyond the response. The response begins with
// the first output, so that until then a failure still is an honest HTTP status; if the node is silent for long it begins with a comment.
import { errorBody } from '../../protocol/errors.ts'
import { GatewayError, logError } from '../core/errors.ts'
import { CallerStream } from './caller-stream.ts'
import { callMs, runCall, type CallNeeds } from './call.ts'
import type { CapturedCall } from './settle.ts'
import type { TextAsked, TextPiece } from './choices.ts'
import { CallerGone } from './failure.ts'
import { keptHeaders } from './idempotent.ts'
import type { Caller, Order } from './order.ts'
import { DeliveredText, type KeptAnswer } from './replay.ts'
import { serveText, type TextAnswer } from './text.ts'
import { lastChunks, type TextWords } from './text-words.ts'

export interface StreamedText {
  readonly body: ReadableStream<Uint8Array>
  /** null when the response had to begin before any node spoke */
  readonly nodeId: string | null
}

/** What is streamed, and how it is worded. */
export interface TextStream {
  readonly asked: TextAsked
  readonly words: TextWords
  readonly includeUsage: boolean
}

/** @throws GatewayError while nothing has reached the caller */
export async function streamText(
  needs: CallNeeds,
  order: Order,
  { asked, words, includeUsage }: TextStream,
  caller: Caller,
): Promise<StreamedText> {
  const { callerStallMs, keepAliveMs } = needs.timeouts
  const waitMaxMs = callMs(needs) / 2
  const out = new CallerStream({ stallMs: callerStallMs, waitMaxMs, keepAliveMs, clock: needs.clock })
  const signal = AbortSignal.any([caller.signal, out.gone])
  const head = new Head()
  const begun = new Set<number>()
  const delivered = order.once && new DeliveredText()
  const deliver = async (piece: TextPiece, nodeId: string) => {
    head.begin(nodeId)
    const chunk = words.piece(piece, !begun.has(piece.choice))
    begun.add(piece.choice)
    delivered?.add(piece)
    await out.send(chunk)
  }
  const last = (call: CapturedCall<TextAnswer>) => lastChunks(words, order, call, begun, includeUsage)
  const keep = (call: CapturedCall<TextAnswer>): KeptAnswer | null => {
    const pieces = delivered?.joined()
    if (!pieces) return null
    const chunks = [...pieces.map((piece) => words.piece(piece, true)), ...last(call)]
    return { headers: keptHeaders(call), chunks: chunks.map((chunk) => ({ ...chunk })) }
  }
  const pump = async () => {
    try {
      const call = await runCall(needs, order, serveText(needs.timeouts, asked, deliver), { ...caller, signal }, keep)
      for (const chunk of last(call)) await out.send(chunk)
      await out.send('[DONE]')
      await out.close()
    } catch (error) {
      if (!head.fail(error)) await endWithError(out, error, order.callId)
    }
  }
  caller.background(pump())
  const nodeId = await head.within(keepAliveMs)
  // A response that begins before any node spoke begins with a comment: a head alone may be kept back on its way.
  out.keepAlive(nodeId === null ? 0 : keepAliveMs)
  return { body: out.readable, nodeId }
}

/** After the head only an event can say what happened, and `[DONE]` must not follow it. */
async function endWithError(out: CallerStream, error: unknown, callId: string): Promise<void> {
  if (error instanceof CallerGone) return out.abort()
  if (!(error instanceof GatewayError)) logError(error, callId)
  const refusal = error instanceof GatewayError ? error : new GatewayError('internal_error')
  try {
    await out.send(errorBody(refusal.code, callId, refusal.param, refusal.detail))
    await out.close()
  } catch {
    // The caller left before it could be told; the call is settled already.
    out.abort()
  }
}

/** The moment at which the response begins: with the first output, with a failure, or when waiting took too long. */
class Head {
  #begin: (nodeId: string | null) => void = () => undefined
  #fail: (error: unknown) => void = () => undefined
  #isOver = false
  readonly #promise = new Promise<string | null>((resolve, reject) => {
    this.#begin = resolve
    this.#fail = reject
  })

  begin(nodeId: string | null): void {
    this.#isOver = true
    this.#begin(nodeId)
  }

  /** False when the response has begun: the failure must then be told in the stream. */
  fail(error: unknown): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#fail(error)
    return true
  }

  async within(ms: number): Promise<string | null> {
    const timer = setTimeout(() => this.begin(null), ms)
    try {
      return await this.#promise
    } finally {
      clearTimeout(timer)
    }
  }
}

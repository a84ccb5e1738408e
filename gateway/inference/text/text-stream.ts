// A streamed text: one pump that reads the node and writes the caller, kept alive by waitUntil beyond the response. The response begins with
// the first output, so that until then a failure still is an honest HTTP status; if the node is silent for long it begins with a comment.
import { errorBody } from '../../../protocol/errors.ts'
import { GatewayError, logError } from '../../core/errors.ts'
import { answererOf, type Answerer } from '../answerer.ts'
import { CallerGone } from '../attempts/failure.ts'
import { callMs, runCall, type CallNeeds } from '../call.ts'
import { keptHeaders } from '../idempotency/idempotent.ts'
import { DeliveredText, type KeptAnswer } from '../idempotency/replay.ts'
import type { Caller, Order } from '../order/order.ts'
import { agreedPieces } from '../quorum/agreed-text.ts'
import { isSameText } from '../quorum/agreement.ts'
import type { CapturedCall } from '../settle/settle.ts'
import { CallerStream } from './caller-stream.ts'
import type { TextAsked, TextPiece } from './choices.ts'
import { lastChunks, type TextWords } from './text-words.ts'
import { serveText, serveWholeText, type TextAnswer, type WholeTextAnswer } from './text.ts'

export interface StreamedText {
  readonly body: ReadableStream<Uint8Array>
  /** null when the response had to begin before any node spoke */
  readonly by: Answerer | null
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
  const deliver = async (piece: TextPiece, by: Answerer) => {
    head.begin(by)
    const chunk = words.piece(piece, !begun.has(piece.choice), by.modelId)
    begun.add(piece.choice)
    delivered?.add(piece)
    await out.send(chunk)
  }
  const last = (call: CapturedCall<TextAnswer>) => lastChunks(words, order, call, begun, includeUsage)
  const kept = (
    call: CapturedCall<TextAnswer>,
    pieces: readonly TextPiece[],
    told: ReadonlySet<number>,
  ): KeptAnswer => {
    const chunks = [
      ...pieces.map((piece) => words.piece(piece, true, call.modelId)),
      ...lastChunks(words, order, call, told, includeUsage),
    ]
    return { headers: keptHeaders(call, order), chunks: chunks.map((chunk) => ({ ...chunk })) }
  }
  const keep = (call: CapturedCall<TextAnswer>): KeptAnswer | null => {
    const pieces = delivered?.joined()
    return pieces ? kept(call, pieces, begun) : null
  }
  const run = async (): Promise<CapturedCall<TextAnswer>> => {
    const here = { ...caller, signal }
    if (!order.bench) return runCall(needs, order, serveText(needs.timeouts, asked, deliver), here, keep, null)
    const keepAgreed = (call: CapturedCall<WholeTextAnswer>) => {
      const pieces = agreedPieces(call.answer)
      return kept(call, pieces, new Set(pieces.map(({ choice }) => choice)))
    }
    const call = await runCall(needs, order, serveWholeText(needs.timeouts, asked), here, keepAgreed, isSameText)
    for (const piece of agreedPieces(call.answer)) await deliver(piece, answererOf(call))
    return call
  }
  const pump = async () => {
    try {
      const call = await run()
      for (const chunk of last(call)) await out.send(chunk)
      await out.send('[DONE]')
      await out.close()
    } catch (error) {
      if (!head.fail(error)) await endWithError(out, error, order.callId)
    }
  }
  caller.background(pump())
  const by = await head.within(keepAliveMs)
  // A response that begins before any node spoke begins with a comment: a head alone may be kept back on its way.
  out.keepAlive(by === null ? 0 : keepAliveMs)
  return { body: out.readable, by }
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
  #begin: (by: Answerer | null) => void = () => undefined
  #fail: (error: unknown) => void = () => undefined
  #isOver = false
  readonly #promise = new Promise<Answerer | null>((resolve, reject) => {
    this.#begin = resolve
    this.#fail = reject
  })

  begin(by: Answerer | null): void {
    this.#isOver = true
    this.#begin(by)
  }

  /** False when the response has begun: the failure must then be told in the stream. */
  fail(error: unknown): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#fail(error)
    return true
  }

  async within(ms: number): Promise<Answerer | null> {
    const timer = setTimeout(() => this.begin(null), ms)
    try {
      return await this.#promise
    } finally {
      clearTimeout(timer)
    }
  }
}

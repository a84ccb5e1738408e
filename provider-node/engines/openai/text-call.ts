// One text call before an OpenAI-compatible server: always streamed, so that a caller who leaves ends it there at once. What comes before the
// first output is a refusal with a code; afterwards the answer breaks off. A stream that ends before its choices do is never complete.
import type { IncomingMessage } from 'node:http'
import type { ServedManifest } from '../../../protocol/model.ts'
import { SseDecoder, SseOverflow } from '../../../protocol/sse.ts'
import type { EngineRefusal, TextEnd, TextJob, TextRun } from '../engine.ts'
import { StepQueue } from '../step-queue.ts'
import type { CallNeeds } from '../upstream/front.ts'
import { readPieces, readWhole, UpstreamFault } from '../upstream/http.ts'
import { estimatedTokens } from '../upstream/limits.ts'
import { failed, left, refusalOf, tell } from '../upstream/verdict.ts'
import { UpstreamAnswer } from './answer.ts'
import { isContextLength, lessOutput, streamVerdict, verdictOf } from './errors.ts'
import { errorFields, errorOfBody, readEvent, type UpstreamEvent } from './events.ts'
import type { TextRequest } from './request.ts'
import type { ServerKind } from './server-kind.ts'

export interface TextNeeds extends CallNeeds {
  readonly kind: ServerKind
}

/** Requests for one call: the first, and smaller ones where more was asked than fits. */
const TRIES = 4

/** Settles when the server has begun, or has taken its time with it. @throws EngineRefusal */
export async function startText(
  needs: TextNeeds,
  job: TextJob,
  request: TextRequest,
  signal: AbortSignal,
): Promise<TextRun> {
  const call = new TextCall(needs, job, request, signal)
  await call.begun
  const estimate = Math.min(inputEstimate(job, needs.manifest), needs.manifest.contextTokens)
  return {
    // The server counts the input with its last event; until then it is an estimate.
    get inputTokens() {
      return Math.min(call.answer.promptTokens ?? estimate, needs.manifest.contextTokens)
    },
    steps: call.steps,
    ended: call.ended,
  }
}

/** Tokens of a job's input, from its bytes and the template. */
export function inputEstimate({ prompt, prefix }: TextJob, { templateTokens }: ServedManifest): number {
  const texts = prompt.kind === 'text' ? [prompt.text] : prompt.messages.map(({ content }) => content)
  const bytes = [...texts, prefix].reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  const template = prompt.kind === 'text' ? 0 : templateTokens.fixed + templateTokens.perMessage * texts.length
  return estimatedTokens(bytes) + template
}

class TextCall {
  readonly steps = new StepQueue()
  readonly answer: UpstreamAnswer
  readonly ended: Promise<TextEnd>
  readonly begun: Promise<void>
  #begin: () => void = () => {}
  #refuse: (refusal: EngineRefusal) => void = () => {}
  #firstOutputAt: number | null = null

  constructor(
    private readonly needs: TextNeeds,
    private readonly job: TextJob,
    private readonly request: TextRequest,
    private readonly signal: AbortSignal,
  ) {
    const { manifest, limits } = needs
    this.answer = new UpstreamAnswer(job, manifest.bytesPerTokenMin, limits.charactersPerToken)
    this.begun = new Promise((resolve, reject) => {
      this.#begin = resolve
      this.#refuse = reject
    })
    const slow = setTimeout(this.#begin, limits.begunMs)
    this.ended = this.#run().finally(() => clearTimeout(slow))
  }

  async #run(): Promise<TextEnd> {
    try {
      await this.#read(await this.#open())
      this.needs.health.worked()
      return this.#end('complete')
    } catch (cause) {
      if (this.signal.aborted) {
        this.#refuse(left())
        this.steps.end()
        return this.#end('cancelled')
      }
      const refusal =
        cause instanceof SseOverflow ? failed('an event is too large') : refusalOf(cause, this.needs.health)
      // Only matters before it has begun: afterwards the promise is settled.
      this.#refuse(refusal)
      this.steps.fail(refusal)
      return this.#end('failed')
    }
  }

  #end(outcome: TextEnd['outcome']): TextEnd {
    const { texts, outputTokens } = this.answer
    // The connection ends with the caller: what the server still computes then is its own affair.
    return { outcome, texts, outputTokens, tokensAfterAbort: 0, firstOutputAt: this.#firstOutputAt }
  }

  /** The head of an answer, with fewer tokens asked for where they do not fit. */
  async #open(): Promise<IncomingMessage> {
    const { limits, kind } = this.needs
    let { body } = this.request
    for (let tries = 1; ; tries++) {
      const response = await this.#send(body)
      if (response.statusCode === 200) return response
      const error = errorOfBody(
        await readWhole(response, limits.errorBytes, limits.gapMs).catch(() => new Uint8Array()),
      )
      const less = isContextLength(error) && tries < TRIES ? this.#smaller(body, error, kind) : null
      if (!less) {
        const { statusCode = 0, headers } = response
        throw tell(verdictOf(statusCode, error, this.#facts(headers['retry-after'] ?? null)), this.needs.health)
      }
      body = less
    }
  }

  #smaller(
    body: TextRequest['body'],
    error: ReturnType<typeof errorFields>,
    kind: ServerKind,
  ): TextRequest['body'] | null {
    const asked = body.max_tokens
    if (typeof asked !== 'number') return null
    const less = lessOutput(error, asked)
    if (less === null) return null
    // Of a chat, vLLM takes what is left when nothing is said, and that is less than was asked for.
    if (kind === 'vllm' && this.request.path === '/chat/completions') {
      const { max_tokens: _, ...rest } = body
      return rest
    }
    return { ...body, max_tokens: less }
  }

  #send(body: TextRequest['body']): Promise<IncomingMessage> {
    return this.needs.upstream.send({
      method: 'POST',
      path: this.request.path,
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(body),
      headMs: this.#firstOutputMs(),
      signal: this.signal,
    })
  }

  #firstOutputMs(): number {
    const { limits, manifest } = this.needs
    return limits.firstOutputMs + limits.firstOutputMsPerToken * inputEstimate(this.job, manifest)
  }

  #facts(retryAfter: string | null) {
    return { retryAfter, now: this.needs.now(), secondsMax: this.needs.limits.retryAfterSeconds }
  }

  async #read(response: IncomingMessage): Promise<void> {
    const { limits } = this.needs
    if (!/^text\/event-stream\b/i.test(response.headers['content-type'] ?? '')) {
      response.destroy()
      throw new UpstreamFault('garbage', 'content-type')
    }
    const decoder = new SseDecoder(limits.eventCharacters)
    let isTrailer = false
    const take = (bytes: Uint8Array, arm: (ms: number) => void): 'more' | 'done' => {
      for (const { data } of decoder.push(bytes)) {
        if (data === '[DONE]') return 'done'
        const isOutput = this.#take(data)
        if (this.answer.wasCut) throw new Cut()
        if (isTrailer) continue
        isTrailer = this.answer.isFinished
        if (isTrailer || isOutput) arm(isTrailer ? limits.trailerMs : limits.gapMs)
      }
      return 'more'
    }
    try {
      await readPieces(response, take, this.#firstOutputMs())
    } catch (cause) {
      // Every choice had its end: only the count is missing.
      if (!this.answer.isFinished) throw cause
    }
    if (!this.answer.isFinished) throw new UpstreamFault('broken', 'stream')
    this.#begin()
    for (const step of this.answer.end()) this.steps.push(step)
    this.steps.end()
  }

  /** @returns whether it brought output: only that puts off the time-out */
  #take(data: string): boolean {
    const event: UpstreamEvent | null = readEvent(data)
    if (!event) throw new UpstreamFault('garbage', 'event')
    if (event.error !== null) throw tell(streamVerdict(errorFields(event.error), this.#facts(null)), this.needs.health)
    const steps = this.answer.take(event)
    const isOutput = event.pieces.some(({ text, finish }) => text !== '' || finish !== null)
    if (!isOutput) return false
    this.#begin()
    if (steps.some(({ text }) => text !== '')) this.#firstOutputAt ??= this.needs.now()
    for (const step of steps) this.steps.push(step)
    return true
  }
}

/** The answer is whole, and the server would go on. */
class Cut extends Error {
  override readonly name = 'Cut'
}

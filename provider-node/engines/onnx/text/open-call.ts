// One call to the text engine, on the side of its caller: what the worker says of it becomes steps, counts and an end. An answer that breaks off
// never looks like a finished one.
import { EngineRefusal, type TextEnd, type TextRun } from '../../engine.ts'
import { StepQueue } from '../../step-queue.ts'
import type { TextReply } from './text-messages.ts'

export class OpenCall {
  /** Settles when the call has begun; rejects with an EngineRefusal. */
  readonly started: Promise<TextRun>
  readonly #steps = new StepQueue()
  readonly #texts: string[]
  readonly #ended: Promise<TextEnd>
  #accept: (run: TextRun) => void = () => undefined
  #refuse: (refusal: EngineRefusal) => void = () => undefined
  #settle: (end: TextEnd) => void = () => undefined
  #open: number
  #outputTokens = 0
  #outputTokensAtAbort: number | null = null
  #startedAt: number | null = null
  #firstOutputAt: number | null = null
  #endedAt: number | null = null
  readonly #now: () => number
  readonly signal: AbortSignal
  readonly #cancel: () => void

  /** @param cancel tells the worker that nobody waits any more */
  constructor(choices: number, now: () => number, signal: AbortSignal, cancel: () => void) {
    this.#open = choices
    this.#texts = Array.from({ length: choices }, () => '')
    this.#now = now
    this.signal = signal
    this.#cancel = cancel
    this.started = new Promise((accept, refuse) => {
      this.#accept = accept
      this.#refuse = refuse
    })
    this.#ended = new Promise((settle) => (this.#settle = settle))
    signal.addEventListener('abort', this.cancel, { once: true })
  }

  get isOver(): boolean {
    return this.#endedAt !== null
  }

  /** ms from its beginning to its complete end; null of any other */
  get computedMs(): number | null {
    return this.#endedAt === null || this.#startedAt === null || this.#open > 0 ? null : this.#endedAt - this.#startedAt
  }

  readonly cancel = (): void => {
    this.#outputTokensAtAbort = this.#outputTokens
    this.#cancel()
  }

  hear(reply: TextReply, retryAfter: () => number): void {
    switch (reply.type) {
      case 'started':
        this.#startedAt = this.#now()
        return this.#accept({ inputTokens: reply.inputTokens, steps: this.#steps, ended: this.#ended })
      case 'step':
        return this.#take(reply)
      case 'cancelled':
        this.#outputTokens = reply.outputTokens
        return this.#end('cancelled')
      case 'refused': {
        const options = reply.code === 'busy' ? { retryAfterSeconds: retryAfter() } : {}
        return this.#end('failed', new EngineRefusal(reply.code, reply.message, options))
      }
      case 'failed':
        return this.fail(reply.reason)
      default:
        return reply satisfies never
    }
  }

  /** @param reason a name of ours or of an error: it stays inside */
  fail(reason: string): void {
    this.#end('failed', new EngineRefusal('internal', 'The model failed.', { cause: reason }))
  }

  #take({ choice, text, outputTokens, logprobs, finishReason }: Extract<TextReply, { type: 'step' }>): void {
    this.#outputTokens = outputTokens
    this.#texts[choice] += text
    if (text !== '') this.#firstOutputAt ??= this.#now()
    const isWorthTelling = text !== '' || logprobs.length > 0 || finishReason !== null
    if (isWorthTelling) this.#steps.push({ choice, text, outputTokens, logprobs, finishReason })
    if (finishReason === null) return
    this.#open -= 1
    if (this.#open === 0) this.#end('complete')
  }

  #end(outcome: TextEnd['outcome'], failure?: EngineRefusal): void {
    if (this.isOver) return
    this.#endedAt = this.#now()
    this.signal.removeEventListener('abort', this.cancel)
    if (failure) this.#steps.fail(failure)
    else this.#steps.end()
    // Only matters before it has begun; afterwards the promise is already settled.
    this.#refuse(failure ?? new EngineRefusal('internal', 'The call was cancelled.'))
    const atAbort = this.#outputTokensAtAbort ?? this.#outputTokens
    this.#settle({
      outcome,
      texts: this.#texts,
      outputTokens: this.#outputTokens,
      tokensAfterAbort: this.#outputTokens - atAbort,
      firstOutputAt: this.#firstOutputAt,
    })
  }
}

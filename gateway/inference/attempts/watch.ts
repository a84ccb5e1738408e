// Watch: one abort signal per attempt with one clock at a time on it. Each stage of an attempt arms it anew; whatever fires first aborts the
// node's request with a reason that says why, so that the reader of the stream never has to guess.
import { timedOut, type AttemptFailure, type CallerGone, type Stage } from './failure.ts'

export class Watch {
  readonly #controller = new AbortController()
  readonly #aborted: Promise<never>
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param call aborts when the whole call ends: the caller left, or its time is up */
  constructor(call: AbortSignal) {
    this.#aborted = new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error), { once: true })
    })
    // Nobody may be waiting when it fires; the reason is then read from the signal.
    this.#aborted.catch(() => undefined)
    const follow = () => this.abort(call.reason as AttemptFailure | CallerGone)
    if (call.aborted) follow()
    else call.addEventListener('abort', follow, { once: true, signal: this.signal })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** From now the next stage has so long. @param stage what is said of it when it was too long */
  arm(ms: number, stage: Stage = 'gap'): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.abort(timedOut(stage)), ms)
  }

  disarm(): void {
    clearTimeout(this.#timer)
  }

  abort(reason: AttemptFailure | CallerGone): void {
    clearTimeout(this.#timer)
    this.#controller.abort(reason)
  }

  /** The promise, or the reason of the abort, whichever comes first. */
  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#aborted])
  }
}

/** Waits, or as long as the signal lets it. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0 || signal.aborted) return
  const over = new AbortController()
  try {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      const end = () => {
        clearTimeout(timer)
        resolve()
      }
      signal.addEventListener('abort', end, { once: true, signal: over.signal })
    })
  } finally {
    over.abort()
  }
}

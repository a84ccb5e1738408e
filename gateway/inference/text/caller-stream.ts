// The caller's side of a stream: events out, comments while it is silent, an error event instead of a false end. A caller that takes no byte
// for too long has left; its slowness is bounded here and nowhere buffered: a caller who takes its answer drop by drop until the call's time is
// up would otherwise have it for nothing, at the node's expense.
import { encodeSse, encodeSseComment } from '../../../protocol/sse.ts'
import type { Clock } from '../../core/clock.ts'
import { CallerGone } from '../attempts/failure.ts'

interface CallerStreamOptions {
  /** ms a single write may wait for the caller */
  readonly stallMs: number
  /** ms all writes together may wait for the caller */
  readonly waitMaxMs: number
  /** ms of silence before a comment */
  readonly keepAliveMs: number
  readonly clock: Clock
}

export class CallerStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #encoder = new TextEncoder()
  readonly #gone = new AbortController()
  #cut: (why: CallerGone) => void = () => undefined
  #keepAlive: ReturnType<typeof setTimeout> | undefined
  #isOver = false
  #waitedMs = 0
  #tail: Promise<void> = Promise.resolve()

  constructor(private readonly options: CallerStreamOptions) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
      start: (controller) => {
        this.#cut = (why) => controller.error(why)
      },
    })
    this.readable = readable
    this.#writer = writable.getWriter()
    // A caller who leaves rejects this, before the next write does.
    this.#writer.closed.catch((cause: unknown) => this.#gone.abort(new CallerGone('the caller left', { cause })))
  }

  /** Aborts when the caller was found to be gone, also by a comment while the node is silent. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** From now silence is filled with comments: call when the response head is on its way. @param afterMs until the first of them */
  keepAlive(afterMs = this.options.keepAliveMs): void {
    clearTimeout(this.#keepAlive)
    if (this.#isOver) return
    this.#keepAlive = setTimeout(() => {
      this.#write(encodeSseComment('souk is waiting for the node')).then(
        () => this.keepAlive(),
        () => undefined, // `gone` has told it
      )
    }, afterMs)
  }

  /** @throws CallerGone when the caller took nothing for stallMs or closed the connection */
  async send(data: unknown): Promise<void> {
    if (this.#keepAlive !== undefined) this.keepAlive()
    await this.#write(encodeSse(typeof data === 'string' ? data : JSON.stringify(data)))
  }

  /** Ends the stream. A caller who is gone already is no error here. */
  async close(): Promise<void> {
    this.#end()
    await this.#stalling(this.#writer.close()).catch(() => this.#cut(new CallerGone('aborted')))
  }

  /**
   * Cuts the connection: what the caller got is not a complete answer and must not look like one. Aborting the writer would wait for a write under
   * way (Streams Standard, WritableStreamAbort), which of a caller who stopped reading is for ever, and keep connection and buffers as long.
   */
  abort(): void {
    this.#end()
    this.#cut(new CallerGone('aborted'))
  }

  #end(): void {
    this.#isOver = true
    clearTimeout(this.#keepAlive)
  }

  /** One write at a time: a comment never lands inside an event. */
  #write(text: string): Promise<void> {
    this.#tail = this.#tail.then(() => this.#stalling(this.#writer.write(this.#encoder.encode(text))))
    return this.#tail
  }

  async #stalling(work: Promise<void>): Promise<void> {
    const { clock, stallMs, waitMaxMs } = this.options
    const since = clock()
    const ms = Math.max(0, Math.min(stallMs, waitMaxMs - this.#waitedMs))
    let timer: ReturnType<typeof setTimeout> | undefined
    const stalled = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new CallerGone('the caller stopped reading')), ms)
    })
    try {
      await Promise.race([work, stalled])
    } catch (cause) {
      const gone = cause instanceof CallerGone ? cause : new CallerGone('the caller closed the connection', { cause })
      this.#gone.abort(gone)
      throw gone
    } finally {
      clearTimeout(timer)
      this.#waitedMs += clock() - since
    }
  }
}

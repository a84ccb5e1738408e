// The caller's side of a stream: events out, comments while it is silent, an error event instead of a false end. A caller that takes no byte
// for too long has left; its slowness is bounded here and nowhere buffered.
import { encodeSse, encodeSseComment } from '../../protocol/sse.ts'
import { CallerGone } from './failure.ts'

interface CallerStreamOptions {
  /** ms a single write may wait for the caller */
  readonly stallMs: number
  /** ms of silence before a comment */
  readonly keepAliveMs: number
}

export class CallerStream {
  readonly readable: ReadableStream<Uint8Array>
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>
  readonly #encoder = new TextEncoder()
  #keepAlive: ReturnType<typeof setTimeout> | undefined
  #tail: Promise<void> = Promise.resolve()

  constructor(private readonly options: CallerStreamOptions) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    this.readable = readable
    this.#writer = writable.getWriter()
    // A caller who leaves rejects this; whoever writes next learns of it.
    this.#writer.closed.catch(() => undefined)
  }

  /** From now silence is filled with comments: call when the response head is on its way. */
  keepAlive(): void {
    clearTimeout(this.#keepAlive)
    this.#keepAlive = setTimeout(() => {
      this.#write(encodeSseComment('souk is waiting for the node')).then(
        () => this.keepAlive(),
        () => undefined, // the next event meets the same broken stream and ends the call
      )
    }, this.options.keepAliveMs)
  }

  /** @throws CallerGone when the caller took nothing for stallMs or closed the connection */
  async send(data: unknown): Promise<void> {
    if (this.#keepAlive !== undefined) this.keepAlive()
    await this.#write(encodeSse(typeof data === 'string' ? data : JSON.stringify(data)))
  }

  /** Ends the stream. A caller who is gone already is no error here. */
  async close(): Promise<void> {
    clearTimeout(this.#keepAlive)
    await this.#stalling(this.#writer.close()).catch(() => undefined)
  }

  /** Cuts the connection: what the caller got is not a complete answer and must not look like one. Nobody waits for a caller who is gone. */
  abort(): void {
    clearTimeout(this.#keepAlive)
    this.#writer.abort(new CallerGone('aborted')).catch(() => undefined)
  }

  /** One write at a time: a comment never lands inside an event. */
  #write(text: string): Promise<void> {
    this.#tail = this.#tail.then(() => this.#stalling(this.#writer.write(this.#encoder.encode(text))))
    return this.#tail
  }

  async #stalling(work: Promise<void>): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const stalled = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new CallerGone('the caller stopped reading')), this.options.stallMs)
    })
    try {
      await Promise.race([work, stalled])
    } catch (cause) {
      throw cause instanceof CallerGone ? cause : new CallerGone('the caller closed the connection', { cause })
    } finally {
      clearTimeout(timer)
    }
  }
}

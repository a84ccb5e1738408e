// Reading a node's answer: bounded in size, time and shape. Nothing of it is passed on as it came; everything is parsed first.
import { concatBytes } from '../../../protocol/canonical.ts'
import { NodeChatEvent } from '../../../protocol/node.ts'
import { SseDecoder, SseOverflow } from '../../../protocol/sse.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Background } from '../order/order.ts'
import { AttemptFailure } from './failure.ts'
import type { Watch } from './watch.ts'

/** When nothing of an answer is missing any more: a broken connection or nonsense behind that is its end, and silence soon is. */
interface Whole {
  isWhole(): boolean
  /** ms of {@link CallTimeouts} */
  readonly lastWordMs: number
}

/**
 * Yields a node's events until `[DONE]` or the end of its answer; whether the answer was complete is the reader's to judge. Comments and events of
 * other names are skipped. An event that is none of ours ends the answer as a failure: what was lost with it nobody knows.
 * @param bytesOrdered what an answer of all that was ordered may have; a short one may have as much as any other answer
 * @throws AttemptFailure when the connection breaks, the answer overflows or is nonsense; the watch's reason when that fired
 */
export async function* nodeChatEvents(
  response: Response,
  watch: Watch,
  background: Background,
  bytesOrdered: number,
  whole: Whole,
): AsyncGenerator<NodeChatEvent> {
  const decoder = new SseDecoder(LIMITS.nodeEventBytes)
  const bytesMax = Math.max(LIMITS.nodeAnswerBytes, bytesOrdered)
  const body = boundedBody(response, watch, bytesMax, background, whole)
  try {
    for await (const bytes of body) {
      for (const event of decode(decoder, bytes)) {
        if (event.event !== '' && event.event !== 'message') continue
        if (event.data === '[DONE]') return
        yield parseEvent(event.data)
      }
    }
  } catch (error) {
    if (!whole.isWhole() || watch.signal.aborted) throw error
  }
}

/** A whole JSON answer. @throws AttemptFailure as above */
export async function nodeJson(response: Response, watch: Watch): Promise<unknown> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of boundedBody(response, watch, LIMITS.nodeAnswerBytes))
    text += decoder.decode(bytes, { stream: true })
  return parseJson(text + decoder.decode())
}

/** A whole answer in bytes. @param gapMs between two pieces of it: once it comes, it keeps coming. @throws AttemptFailure as above */
export async function nodeBytes(
  response: Response,
  watch: Watch,
  bytesMax: number,
  gapMs: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const bytes of boundedBody(response, watch, bytesMax)) {
    watch.arm(gapMs)
    parts.push(bytes)
  }
  const [only, ...others] = parts
  return only && others.length === 0 ? only : concatBytes(...parts)
}

async function* boundedBody(
  response: Response,
  watch: Watch,
  bytesMax: number,
  background?: Background,
  whole?: Whole,
): AsyncGenerator<Uint8Array> {
  if (!response.body) return
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let total = 0
  let isDone = false
  let lastWord: LastWord | null = null
  try {
    for (;;) {
      const read = watch.race(readOrBreak(reader, watch))
      if (whole?.isWhole()) lastWord ??= new LastWord(whole.lastWordMs)
      const { done, value } = lastWord ? await lastWord.orSilence(read) : await read
      if (lastWord?.isOver) return
      isDone = done
      if (done) return
      total += value.byteLength
      if (total > bytesMax)
        throw new AttemptFailure('provider_failed', 'node', { cause: new Error('answer too large') })
      yield value
    }
  } finally {
    lastWord?.clear()
    if (lastWord?.isOver) void reader.cancel().catch(() => undefined)
    // After an abort there is nothing to let go of. After `[DONE]` the end is a packet away: reading it keeps the connection for the next call.
    else if (!isDone && !watch.signal.aborted && background) background(readToEnd(reader))
  }
}

/** What a node still says when its answer is whole, for as long as that may take. */
class LastWord {
  isOver = false
  readonly #timer: ReturnType<typeof setTimeout>
  readonly #silence: Promise<{ done: true; value: undefined }>

  constructor(ms: number) {
    let resolve: (end: { done: true; value: undefined }) => void = () => undefined
    this.#silence = new Promise((settle) => {
      resolve = settle
    })
    this.#timer = setTimeout(() => {
      this.isOver = true
      resolve({ done: true, value: undefined })
    }, ms)
  }

  orSilence<T>(read: Promise<T>): Promise<T | { done: true; value: undefined }> {
    read.catch(() => undefined) // whoever waits no longer does not hear of it
    return Promise.race([read, this.#silence])
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}

async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const timer = setTimeout(() => void reader.cancel().catch(() => undefined), DRAIN_MS)
  try {
    for (let bytes = 0; bytes <= DRAIN_BYTES;) {
      const { done, value } = await reader.read()
      if (done) return
      bytes += value.byteLength
    }
    await reader.cancel()
  } catch {
    // The node cut what nobody was waiting for.
  } finally {
    clearTimeout(timer)
  }
}

/** bytes that may come in that time: who sends more is not about to end */
const DRAIN_BYTES = 65_536

/** ms a node has to end its answer after `[DONE]` */
const DRAIN_MS = 1_000

async function readOrBreak(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  watch: Watch,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read()
  } catch (cause) {
    if (watch.signal.aborted) throw watch.signal.reason as Error
    throw new AttemptFailure('provider_broke_off', 'node', { cause })
  }
}

function decode(decoder: SseDecoder, bytes: Uint8Array) {
  try {
    return decoder.push(bytes)
  } catch (cause) {
    if (cause instanceof SseOverflow) throw new AttemptFailure('provider_failed', 'node', { cause })
    throw cause
  }
}

function parseEvent(data: string): NodeChatEvent {
  const parsed = NodeChatEvent.safeParse(parseJson(data))
  if (!parsed.success) throw new AttemptFailure('provider_failed', 'node', { cause: parsed.error })
  return parsed.data
}

/** The parser's own message quotes the text, which is an answer and must not come into a log. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new AttemptFailure('provider_failed', 'node', { cause: new Error('the node sent no JSON') })
  }
}

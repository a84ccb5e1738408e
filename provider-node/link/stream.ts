// One call over the link: its frames become a request to the node's own server, and what that answers becomes frames. It ends once: with END when the
// whole answer went out, with CANCEL from either side, or with the link; then the call is told that its caller is gone, and everything it held is let go.
import {
  encodeCredit,
  encodeFrame,
  encodeJson,
  FRAME,
  LINK,
  type HeadFrame,
  type OpenFrame,
} from '../../protocol/link.ts'
import { TICKET_SCHEME } from '../../protocol/node.ts'
import { WIRE_HEADER } from '../../protocol/wire.ts'
import type { Caller } from '../caller.ts'
import { NODE_LIMITS } from '../limits.ts'
import type { FrameWriter } from './frame-writer.ts'
import { createRequestBody } from './request-body.ts'

/** The node's own server, as a program in this process calls it. */
export type Serve = (request: Request, caller: Caller) => Response | Promise<Response>

export interface StreamNeeds {
  readonly id: number
  readonly open: OpenFrame
  /** the version that was agreed for this link */
  readonly wire: number
  readonly serve: Serve
  readonly writer: FrameWriter
  /** ms a body may take to arrive; absent: {@link NODE_LIMITS} */
  readonly requestMs?: number
  /** Told once, when the stream is over. */
  readonly over: () => void
}

export interface LinkStream {
  /** Begins the work; once, when the stream was accepted. */
  start(): void
  /** false when a rule of the wire was broken */
  data(part: Uint8Array): boolean
  end(): boolean
  credit(bytes: number): void
  /** The caller is gone: by its word, or with the link. Nothing is sent. */
  gone(): void
  /** Ends it from our side, with CANCEL. */
  breakOff(): void
}

/** @throws TypeError when the headers cannot be those of a request */
export function openStream({ id, open, wire, serve, writer, over, requestMs }: StreamNeeds): LinkStream {
  let isOver = false
  let creditBytes: number = LINK.windowBytes
  let credited = () => {}
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null
  const listeners: ((isServed: boolean) => void)[] = []
  const body = createRequestBody(open.bodyBytes, (bytes) => writer.control(encodeCredit(id, bytes)))
  const request = requestOf(open, wire, body.stream)
  // First for the body, then for the call: it ends a stream whose reader takes nothing at all.
  let late = setTimeout(breakOff, requestMs ?? NODE_LIMITS.requestMs)

  function finish(isServed: boolean): void {
    if (isOver) return
    isOver = true
    clearTimeout(late)
    body.fail()
    reader?.cancel().catch(() => undefined)
    credited()
    over()
    for (const listener of listeners.splice(0)) listener(isServed)
  }

  function breakOff(): void {
    if (isOver) return
    writer.control(encodeFrame(FRAME.cancel, id))
    finish(false)
  }

  const caller: Caller = {
    onGone: (listener) => void (isOver ? listener(false) : listeners.push(listener)),
    breakOff,
  }

  async function send(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.byteLength && !isOver;) {
      while (creditBytes === 0 && !isOver) await new Promise<void>((resolve) => (credited = resolve))
      const part = bytes.subarray(from, from + Math.min(LINK.frameBytes, creditBytes))
      creditBytes -= part.byteLength
      from += part.byteLength
      await writer.data(() => (isOver ? null : encodeFrame(FRAME.data, id, part)))
    }
  }

  async function answer(): Promise<void> {
    const response = await serve(request, caller)
    if (isOver) return void response.body?.cancel().catch(() => undefined)
    writer.control(encodeJson(FRAME.head, id, headOf(response)))
    reader = response.body?.getReader() ?? null
    while (reader && !isOver) {
      const { done, value } = await reader.read()
      if (done) break
      await send(value)
    }
    if (isOver) return
    writer.control(encodeFrame(FRAME.end, id))
    finish(true)
  }
  return {
    // What fails there fails in the middle of an answer: the server has turned every error before it into an answer.
    start: () => void answer().catch(breakOff),
    data: (part) => body.push(part),
    end() {
      clearTimeout(late)
      late = setTimeout(breakOff, NODE_LIMITS.callMs + NODE_LIMITS.requestMs)
      return body.end()
    },
    credit(bytes) {
      creditBytes += bytes
      credited()
    },
    gone: () => finish(false),
    breakOff,
  }
}

/** @throws TypeError */
function requestOf(
  { path, contentType, ticket, bodyBytes }: OpenFrame,
  wire: number,
  body: ReadableStream<Uint8Array>,
): Request {
  const headers = new Headers({
    'content-type': contentType,
    'content-length': String(bodyBytes),
    [WIRE_HEADER]: String(wire),
  })
  // A challenge orders no work and has none.
  if (ticket !== '') headers.set('authorization', `${TICKET_SCHEME} ${ticket}`)
  return new Request(`http://${LINK_HOST}${path}`, { method: 'POST', headers, body, duplex: 'half' })
}

/** A request has a host; nobody is asked by this name. */
const LINK_HOST = 'link.invalid'

function headOf(response: Response): HeadFrame {
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  return {
    status: response.status,
    contentType: (response.headers.get('content-type') ?? '').slice(0, 128),
    ...(Number.isInteger(seconds) && seconds >= 0 ? { retryAfterSeconds: Math.min(seconds, 86_400) } : {}),
  }
}

// The two bodies of a call over a link: the question's, sent as the node takes it, and the answer's, as the Response that would have come over HTTPS.
// Callers see no difference between the two roads.
import { LINK, type HeadFrame, type RefuseFrame } from '../../../protocol/link.ts'
import type { NodeErrorCode } from '../../../protocol/node.ts'
import { WIRE_HEADER } from '../../../protocol/wire.ts'
import { StreamBroken, type LinkStream } from '../../link/link-stream.ts'

const REFUSAL_STATUS = { busy: 429, draining: 503, bad_request: 400 } as const satisfies Record<
  RefuseFrame['code'],
  number
>

/** Statuses that have no body (fetch standard, 2.2.3). */
const BODILESS = new Set([204, 205, 304])

export function refusalResponse({ code, retryAfterSeconds }: RefuseFrame): Response {
  const body = { error: { code: code satisfies NodeErrorCode } }
  const wait = retryAfterSeconds ?? (code === 'busy' ? 1 : null)
  return Response.json(body, {
    status: REFUSAL_STATUS[code],
    headers: wait === null ? {} : { 'retry-after': String(wait) },
  })
}

/** @param done called once, when nothing more is to come */
export function answerOf(stream: LinkStream, head: HeadFrame, wireVersion: number, done: () => void): Response {
  const headers = new Headers({ [WIRE_HEADER]: String(wireVersion) })
  // A header that no server would send is data of a stranger: left out.
  if (/^[\x20-\x7e]+$/.test(head.contentType)) headers.set('content-type', head.contentType)
  if (head.retryAfterSeconds !== undefined) headers.set('retry-after', String(head.retryAfterSeconds))
  if (BODILESS.has(head.status)) {
    stream.cancel('cancelled')
    done()
    return new Response(null, { status: head.status, headers })
  }
  return new Response(bodyOf(stream, done), { status: head.status, headers })
}

/** Read as it is taken: what nobody takes stays with the node, beyond the {@link LINK.windowBytes} that may come unasked. */
function bodyOf(stream: LinkStream, done: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const bytes = await stream.read()
          if (bytes) return controller.enqueue(bytes)
          controller.close()
        } catch (error) {
          // An answer that broke off must not look whole: its reader gets an error and never an end. Who cancelled reads no more, and the runtime would log the error.
          if (error instanceof StreamBroken && error.why === 'cancelled') controller.close()
          else controller.error(error)
        }
        done()
      },
      cancel() {
        stream.cancel('cancelled')
        done()
      },
    },
    { highWaterMark: 0 },
  )
}

export async function sendBody(body: ReadableStream<Uint8Array> | null, stream: LinkStream): Promise<void> {
  const reader = body?.getReader()
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
      if (!(await stream.write(part.value))) return
    stream.endBody()
  } catch {
    // The isolate that sent it is gone; so is whoever waits for the answer.
    stream.cancel('cancelled')
  } finally {
    void reader?.cancel().catch(() => undefined)
  }
}

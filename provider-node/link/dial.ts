// One try to open the link: an upgrade signed by the node's key. It ends with a socket, or with what the gateway said instead, read within bounds.
import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { LINK, LINK_PATH, LINK_TYP, linkHeaders, type LinkClaims } from '../../protocol/link.ts'
import { signClaims } from '../../protocol/ticket.ts'
import { negotiateWire, WIRE_HEADER, WIRE_VERSION } from '../../protocol/wire.ts'
import type { Identity } from '../identity.ts'
import { plain } from './connection.ts'
import { LINK_LIMITS } from './link-limits.ts'

export type DialFailure =
  /** @example 'ECONNREFUSED' */
  | { readonly kind: 'unreachable'; readonly cause: string }
  | {
      readonly kind: 'refused'
      readonly status: number
      /** of the gateway's error; null when it sent none */
      readonly code: string | null
      readonly message: string | null
      readonly retryAfterMs: number | null
      /** ms since the Unix epoch: the gateway's clock; null when it did not say */
      readonly gatewayAt: number | null
    }
  /** it accepted, in a version that this node does not speak */
  | { readonly kind: 'wire'; readonly theirs: string }

export type Dialled =
  | { readonly ok: true; readonly socket: WebSocket; readonly wire: number }
  | { readonly ok: false; readonly failure: DialFailure }

export interface DialNeeds {
  /** {@link linkUrl} */
  readonly url: string
  readonly identity: Pick<Identity, 'signingKey'>
  readonly claims: LinkClaims
  /** ends the try */
  readonly signal: AbortSignal
}

/** @example linkUrl('https://gateway.example') // 'wss://gateway.example/link' */
export const linkUrl = (gateway: string): string => `${gateway.replace(/^http/, 'ws')}${LINK_PATH}`

/** Never rejects, except for a bug. */
export async function dial({ url, identity, claims, signal }: DialNeeds): Promise<Dialled> {
  const jws = await signClaims(claims, identity.signingKey, { typ: LINK_TYP })
  if (signal.aborted) return STOPPED
  const socket = new WebSocket(url, {
    headers: linkHeaders(jws, WIRE_VERSION),
    // Text that is a stranger's secret and a length that can be watched do not go together; and frames are small.
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: LINK.frameBytes + FRAME_HEADER_BYTES,
    handshakeTimeout: LINK_LIMITS.dialMs,
  })
  const stop = () => socket.terminate()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await outcome(socket)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** type and stream, before the payload */
const FRAME_HEADER_BYTES = 5
const STOPPED: Dialled = { ok: false, failure: { kind: 'unreachable', cause: 'stopped' } }

function outcome(socket: WebSocket): Promise<Dialled> {
  return new Promise((resolve) => {
    let theirs: string | undefined
    socket.once('upgrade', ({ headers }) => {
      const header = headers[WIRE_HEADER]
      theirs = Array.isArray(header) ? header.join() : header
    })
    socket.once('open', () => {
      // Until somebody listens nothing is read: what came with the upgrade would be lost.
      socket.pause()
      const wire = negotiateWire(theirs)
      if (wire !== null) return resolve({ ok: true, socket, wire })
      socket.terminate()
      resolve({ ok: false, failure: { kind: 'wire', theirs: plain(theirs ?? '').slice(0, 16) } })
    })
    socket.once('unexpected-response', (request, response) => {
      void refusalOf(response).then((failure) => {
        request.destroy()
        resolve({ ok: false, failure })
      })
    })
    // It stays: a socket that fails later must not throw where nobody listens yet.
    socket.on('error', (cause: NodeJS.ErrnoException) =>
      resolve({ ok: false, failure: { kind: 'unreachable', cause: cause.code ?? plain(cause.message) } }),
    )
  })
}

const ErrorBody = z.object({ error: z.object({ code: z.string().max(64), message: z.string() }) })

async function refusalOf(response: IncomingMessage): Promise<DialFailure> {
  const { statusCode: status = 0, headers } = response
  const { error } = ErrorBody.safeParse(await bodyOf(response)).data ?? {}
  const seconds = /^\d{1,9}$/.test(headers['retry-after'] ?? '') ? Number(headers['retry-after']) : null
  const gatewayAt = Date.parse(headers.date ?? '')
  return {
    kind: 'refused',
    status,
    code: error?.code ?? null,
    message: error ? plain(error.message) : null,
    retryAfterMs: seconds === null ? null : Math.min(seconds * 1_000, LINK_LIMITS.retryAfterMs),
    gatewayAt: Number.isNaN(gatewayAt) ? null : gatewayAt,
  }
}

/** JSON, or null when it is none, too long, or does not come in time. */
async function bodyOf(response: IncomingMessage): Promise<unknown> {
  const late = setTimeout(() => response.destroy(), LINK_LIMITS.dialMs)
  let text = ''
  try {
    for await (const part of response.setEncoding('utf8')) {
      text += String(part)
      if (text.length > LINK_LIMITS.refusalBytes) return null
    }
    return JSON.parse(text)
  } catch {
    return null
  } finally {
    clearTimeout(late)
  }
}

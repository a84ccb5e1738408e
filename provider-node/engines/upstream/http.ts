// One HTTP request to the server behind an engine. Written on node:http, because three things must be told apart and stopped at once: a connection
// that does not come, a head that does not come, and a caller who leaves. Redirects are answers like any other and never followed.
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'

/** `unreachable`: nobody is there. `late`: a time-out. `broken`: the connection ended early. `too_large`, `garbage`: not what a server says. */
export type FaultKind = 'unreachable' | 'late' | 'broken' | 'too_large' | 'garbage'

export class UpstreamFault extends Error {
  override readonly name = 'UpstreamFault'
  /** @param detail for the operator: a system's code or a name of ours, never what a server said */
  constructor(
    readonly kind: FaultKind,
    readonly detail: string,
  ) {
    super(`${kind}: ${detail}`)
  }
}

export interface UpstreamRequest {
  readonly method: 'GET' | 'POST'
  /** below the base, with its slash */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** ms until the head of the answer */
  readonly headMs: number
  readonly signal: AbortSignal
}

export interface Upstream {
  /** @throws UpstreamFault; also when the signal aborts, which ends the connection at once, before and after the head */
  send(request: UpstreamRequest): Promise<IncomingMessage>
  close(): void
}

export function createUpstream(base: string, headers: Readonly<Record<string, string>>, connectMs: number): Upstream {
  const { Agent, request: open } = base.startsWith('https:') ? https : http
  const agent = new Agent({ keepAlive: true })
  const once = (wanted: UpstreamRequest) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const { method, path, body, headMs, signal } = wanted
      const request = open(`${base}${path}`, {
        method,
        agent,
        headers: {
          'accept-encoding': 'identity',
          ...headers,
          ...wanted.headers,
          ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        },
      })
      let isOver = false
      const fail = (kind: FaultKind, detail: string) => {
        if (isOver) return
        settle()
        request.destroy()
        reject(new UpstreamFault(kind, detail))
      }
      const leave = () => fail('broken', 'aborted')
      const connecting = setTimeout(() => fail('unreachable', 'ETIMEDOUT'), connectMs)
      const waiting = setTimeout(() => fail('late', 'head'), headMs)
      const settle = () => {
        isOver = true
        clearTimeout(connecting)
        clearTimeout(waiting)
        signal.removeEventListener('abort', leave)
      }
      request.once('socket', (socket) => {
        if (!socket.connecting) return clearTimeout(connecting)
        socket.once(base.startsWith('https:') ? 'secureConnect' : 'connect', () => clearTimeout(connecting))
      })
      request.on('error', (cause: NodeJS.ErrnoException) => {
        // Of a request that was destroyed here, too.
        if (isOver) return
        // A kept connection may have been closed at the other end just now: nothing was computed.
        if (request.reusedSocket && cause.code === 'ECONNRESET' && !signal.aborted) {
          settle()
          return resolve(once(wanted))
        }
        fail(isConnection(cause.code) ? 'unreachable' : 'broken', cause.code ?? cause.name)
      })
      request.once('response', (response) => {
        settle()
        const stop = () => response.destroy()
        signal.addEventListener('abort', stop, { once: true })
        response.once('close', () => signal.removeEventListener('abort', stop))
        // Whoever reads has listeners of their own; between two of them an error must not end the program.
        response.on('error', () => {})
        resolve(response)
      })
      signal.addEventListener('abort', leave, { once: true })
      if (signal.aborted) leave()
      else request.end(body)
    })
  return { send: once, close: () => agent.destroy() }
}

/** The server is not there; anything else is a connection that broke. */
const isConnection = (code: string | undefined): boolean =>
  ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'EACCES'].includes(
    code ?? '',
  ) || /CERT|SSL|TLS/.test(code ?? '')

/**
 * Gives each piece of a body to `take` until that says `done`, then lets the connection be used again.
 * @param late ms from now until the next piece must come; called again with each, so that a reader says what counts as one
 * @throws UpstreamFault, and whatever `take` throws: then the connection is ended
 */
export function readPieces(
  response: IncomingMessage,
  take: (bytes: Uint8Array, arm: (ms: number) => void) => 'more' | 'done',
  firstMs: number,
): Promise<'done' | 'end'> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout
    const arm = (ms: number) => {
      clearTimeout(timer)
      timer = setTimeout(() => fail(new UpstreamFault('late', 'body')), ms)
    }
    const fail = (cause: unknown) => {
      clearTimeout(timer)
      response.destroy()
      reject(cause instanceof Error ? cause : new UpstreamFault('broken', 'unknown'))
    }
    arm(firstMs)
    if (response.destroyed) return fail(new UpstreamFault('broken', 'closed'))
    response.on('data', (bytes: Buffer) => {
      try {
        if (take(bytes, arm) === 'more') return
      } catch (cause) {
        return fail(cause)
      }
      clearTimeout(timer)
      response.removeAllListeners('data')
      const rest = setTimeout(() => response.destroy(), DRAIN_MS)
      response.once('close', () => clearTimeout(rest))
      response.resume()
      resolve('done')
    })
    response.once('error', (cause: NodeJS.ErrnoException) => fail(new UpstreamFault('broken', cause.code ?? 'error')))
    response.once('end', () => {
      clearTimeout(timer)
      resolve('end')
    })
    response.once('close', () => fail(new UpstreamFault('broken', 'closed')))
  })
}

/** ms the few bytes behind an end may take: then the connection is closed instead of used again */
const DRAIN_MS = 1_000

/** A whole body. @throws UpstreamFault `too_large` beyond so many bytes, `late` when it is not there in time */
export async function readWhole(response: IncomingMessage, bytesMax: number, wholeMs: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  await readPieces(
    response,
    (bytes) => {
      size += bytes.byteLength
      if (size > bytesMax) throw new UpstreamFault('too_large', 'body')
      parts.push(bytes)
      return 'more'
    },
    wholeMs,
  )
  const whole = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}

/** JSON, or `garbage`. */
export function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw new UpstreamFault('garbage', 'json')
  }
}

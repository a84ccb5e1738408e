// The node's own port, for a node that has one: where the gateway comes by HTTPS, or where the operator's own programs and metrics look in.
// Slow senders are cut off, kept connections live longer than proxies keep theirs, and the last answers reach their readers before it closes.
import { serve, type ServerType } from '@hono/node-server'
import { httpCaller } from './caller.ts'
import { NODE_LIMITS } from './limits.ts'
import { OperatorError } from './operator-error.ts'
import type { NodeApp } from './server.ts'

export interface Listening {
  /** without a trailing slash */
  readonly url: string
  /** Lets the last answers out, then closes every connection. */
  close(): Promise<void>
}

/** @throws OperatorError when the port is in use or cannot be had */
export function listen(app: NodeApp, host: string, port: number, requestMs: number): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const headersTimeout = Math.min(requestMs, NODE_LIMITS.headersMs)
    const serverOptions = {
      requestTimeout: requestMs,
      headersTimeout,
      connectionsCheckingInterval: headersTimeout,
      keepAliveTimeout: NODE_LIMITS.keepAliveMs,
    }
    const server = serve(
      {
        fetch: (request, { outgoing }) => app.fetch(request, { caller: httpCaller(outgoing) }),
        hostname: host,
        port,
        serverOptions,
      },
      (address) => {
        const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
        resolve({ url: `http://${shown}:${address.port}`, close: () => endConnections(server) })
      },
    )
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'is already in use' : `cannot be used (${cause.code ?? cause.name})`
      reject(new OperatorError(`port ${port} on ${host} ${why}`))
    })
  })
}

/** ms between two looks while connections end */
const LOOK_MS = 20

/** The last answers are still on their way when the engines are done; idle keep-alive connections would wait for ever. */
async function endConnections(server: ServerType): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  if (!('closeIdleConnections' in server)) return closed
  const look = setInterval(() => server.closeIdleConnections(), LOOK_MS)
  const late = setTimeout(() => server.closeAllConnections(), NODE_LIMITS.lastBytesMs)
  await closed
  clearInterval(look)
  clearTimeout(late)
}

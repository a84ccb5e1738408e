// A server that says exactly what a test wants, at the level of bytes and sockets: what stands behind the engines openai and oip here is whatever is
// worst for them. Records what it was asked, and when a caller hung up.
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { UPSTREAM_LIMITS, type UpstreamLimits } from '../../../../provider-node/engines/upstream/limits.ts'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly bytes: Buffer
  /** parsed, or null for what is no JSON */
  readonly json: Record<string, unknown> | null
  /** ms since the Unix epoch when its connection was closed before its answer had ended; null: it was not */
  hungUpAt: number | null
}

export type Reply = (response: ServerResponse, asked: Asked, request: IncomingMessage) => void | Promise<void>

export interface ScriptedServer {
  readonly url: string
  readonly asked: Asked[]
  /** what is answered to `METHOD /path`; later ones replace earlier ones */
  on(route: string, reply: Reply): void
  /** of the route, oldest first */
  askedFor(route: string): Asked[]
  close(): Promise<void>
  /** Stops listening, and ends every connection. */
  down(): Promise<void>
  /** Listens again, at the same address. */
  up(): Promise<void>
}

export async function aServer(): Promise<ScriptedServer> {
  const asked: Asked[] = []
  const replies = new Map<string, Reply>()
  let port = 0
  let server: http.Server
  const listen = () =>
    new Promise<void>((resolve) => {
      server = http.createServer((request, response) => void answer(request, response))
      server.listen(port, '127.0.0.1', () => {
        port = (server.address() as AddressInfo).port // it listens on a port
        resolve()
      })
    })
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer) // without an encoding, parts are buffers
    const bytes = Buffer.concat(parts)
    const one: Asked = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      bytes,
      json: jsonOf(bytes),
      hungUpAt: null,
    }
    asked.push(one)
    response.once('close', () => {
      if (!response.writableFinished) one.hungUpAt = Date.now()
    })
    const reply = replies.get(`${one.method} ${one.path}`)
    if (reply) return void (await reply(response, one, request))
    response.writeHead(404).end('{}')
  }
  const down = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await listen()
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    on: (route, reply) => void replies.set(route, reply),
    askedFor: (route) => asked.filter(({ method, path }) => `${method} ${path}` === route),
    close: down,
    down,
    up: listen,
  }
}

function jsonOf(bytes: Buffer): Record<string, unknown> | null {
  try {
    return JSON.parse(bytes.toString()) as Record<string, unknown> // requests of ours are objects
  } catch {
    return null
  }
}

export const json =
  (value: unknown, status = 200, headers: http.OutgoingHttpHeaders = {}): Reply =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))

export const MODELS = 'GET /v1/models'
export const CHAT = 'POST /v1/chat/completions'
export const COMPLETIONS = 'POST /v1/completions'
export const EMBEDDINGS = 'POST /v1/embeddings'

export const modelList = (owner: string, ...ids: string[]): Reply =>
  json({ object: 'list', data: ids.map((id) => ({ id, object: 'model', owned_by: owner })) })

/** An OpenAI-compatible server with one model, `upstream-model`. */
export async function anOpenAiServer(owner = 'vllm'): Promise<ScriptedServer> {
  const server = await aServer()
  server.on(MODELS, modelList(owner, 'upstream-model'))
  return server
}

/** `data:` events, one write each, and the end of the body; a number waits so many ms; `'cut'` breaks the connection. */
export const events =
  (...said: readonly (object | string | number)[]): Reply =>
  async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    response.flushHeaders()
    for (const one of said) {
      if (response.destroyed) return
      if (one === 'cut') return void response.destroy()
      if (typeof one === 'number') await new Promise((resolve) => setTimeout(resolve, one))
      else response.write(`data: ${typeof one === 'string' ? one : JSON.stringify(one)}\n\n`)
    }
    response.end()
  }

/** A piece of a chat. */
export const say = (content: string, finish: string | null = null, index = 0, more: object = {}) => ({
  choices: [{ index, delta: content === '' ? {} : { content }, finish_reason: finish, ...more }],
})
/** A piece of a completion. */
export const sayText = (text: string, finish: string | null = null, index = 0, more: object = {}) => ({
  choices: [{ index, text, finish_reason: finish, ...more }],
})
export const used = (prompt_tokens: number, completion_tokens: number) => ({
  choices: [],
  usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
})
export const DONE = '[DONE]'

/** The real limits, but for those a test waits for. */
export const limitsWith = (limits: Partial<UpstreamLimits> = {}): UpstreamLimits => ({ ...UPSTREAM_LIMITS, ...limits })

/** Looks again until it is so, also on a machine that has other things to do. */
export const until = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 15_000 })

export interface Warning {
  readonly event: string
  readonly fields: Readonly<Record<string, string | number>>
}

/** An observer that keeps what it is told. */
export function anObserver() {
  const warnings: Warning[] = []
  let batches = 0
  return {
    warnings,
    batches: () => batches,
    observe: {
      batch: () => void (batches += 1),
      waited: () => {},
      warn: (event: string, fields: Warning['fields']) => void warnings.push({ event, fields }),
    },
  }
}

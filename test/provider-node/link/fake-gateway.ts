// A gateway that speaks the link's frames and nothing else: it accepts or refuses as told, opens streams, and sees every frame a node sends. Where a
// test wants it to, it breaks the rules.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import {
  creditOf,
  decodeFrame,
  encodeCredit,
  encodeFrame,
  encodeJson,
  FRAME,
  HeadFrame,
  jsonOf,
  LINK,
  LINK_PATH,
  RefuseFrame,
  type Frame,
  type FrameType,
  type OpenFrame,
} from '../../../protocol/link.ts'
import { WIRE_HEADER } from '../../../protocol/wire.ts'
import { eventually } from '../builders.ts'

/** One call from the gateway's side. */
export interface Exchange {
  readonly id: number
  /** ms since the Unix epoch of ACCEPT or REFUSE */
  answeredAt: number | null
  refused: RefuseFrame | null
  head: HeadFrame | null
  text: string
  bytes: number
  /** bytes granted to the node and not yet used */
  window: number
  /** bytes the node granted */
  credit: number
  end: 'end' | 'cancel' | 'link' | null
}

export interface FakeLink {
  readonly socket: WebSocket
  readonly request: IncomingMessage
  readonly exchanges: Map<number, Exchange>
  /** DRAIN of the node was seen */
  isDraining: boolean
  /** frames of streams that no test opened with `call` */
  strays: number
  /** frames beyond what was granted */
  overdrafts: number
  /** what the node closed with */
  closed: { code: number; reason: string } | null
  /** pings are answered */
  isAlive: boolean
  frame(type: FrameType, stream: number, payload?: Uint8Array): void
  raw(bytes: Uint8Array | string): void
  /** OPEN, then the body within the window. @param grants false: the answer is not read */
  call(open: Partial<OpenFrame>, body: string | Uint8Array, options?: { grants?: boolean; id?: number }): Exchange
  grant(exchange: Exchange, bytes: number): void
  cancel(exchange: Exchange): void
}

/** status and JSON; null: accepted */
type Answer = (request: IncomingMessage) => { status: number; headers?: Record<string, string>; body?: object } | null

export interface FakeLinkGateway {
  readonly url: string
  readonly links: FakeLink[]
  /** every request for a link, the refused ones too: ms since the Unix epoch */
  readonly asked: number[]
  answer: Answer
  /** its clock, in the header of refusals: ms since the Unix epoch */
  now: () => number
  wire: string
  /** the newest link, once there is one that stands */
  link(): Promise<FakeLink>
  close(): Promise<void>
}

/** @param other answers what is no link */
export async function aLinkGateway(
  other: (request: IncomingMessage, response: ServerResponse) => void = (_, response) =>
    void response.writeHead(404).end(),
): Promise<FakeLinkGateway> {
  const server = createServer(other)
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  const gateway: Omit<FakeLinkGateway, 'url'> = {
    links: [],
    asked: [],
    answer: () => null,
    now: Date.now,
    wire: '2',
    async link() {
      const standing = () => gateway.links.findLast(({ closed }) => closed === null)
      await eventually(() => standing() !== undefined)
      const link = standing()
      if (!link) throw new Error('there is no link')
      return link
    },
    async close() {
      for (const { socket } of gateway.links) socket.terminate()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  sockets.on('headers', (headers) => void headers.push(`${WIRE_HEADER}: ${gateway.wire}`))
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    gateway.asked.push(Date.now())
    const refusal = request.url === LINK_PATH ? gateway.answer(request) : { status: 404 }
    if (!refusal)
      return sockets.handleUpgrade(request, socket, head, (ws) => void gateway.links.push(served(ws, request)))
    const body = JSON.stringify(refusal.body ?? {})
    const headers = {
      date: new Date(gateway.now()).toUTCString(),
      'content-length': String(body.length),
      ...refusal.headers,
    }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    socket.end([`HTTP/1.1 ${refusal.status} refused`, ...lines, '', body].join('\r\n'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  return Object.assign(gateway, { url: `http://127.0.0.1:${port}` })
}

function served(socket: WebSocket, request: IncomingMessage): FakeLink {
  let next = 1
  const raw = (bytes: Uint8Array | string) => socket.send(bytes)
  const frame = (type: FrameType, stream: number, payload?: Uint8Array) => raw(encodeFrame(type, stream, payload))
  const link: FakeLink = {
    socket,
    request,
    exchanges: new Map(),
    isDraining: false,
    strays: 0,
    overdrafts: 0,
    closed: null,
    isAlive: true,
    frame,
    raw,
    call(open, body, { grants = true, id = next } = {}) {
      next = Math.max(next, id) + 1
      const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
      const fields = {
        path: '/v1/chat/completions',
        contentType: 'application/json',
        ticket: '',
        bodyBytes: bytes.byteLength,
      }
      const exchange: Exchange = {
        ...{ id, answeredAt: null, refused: null, head: null, text: '', bytes: 0, end: null },
        ...{ window: LINK.windowBytes, credit: LINK.windowBytes },
      }
      link.exchanges.set(id, exchange)
      reads.set(id, grants)
      raw(encodeJson(FRAME.open, id, { ...fields, ...open }))
      let from = 0
      const send = () => {
        while (from < bytes.byteLength && exchange.credit > 0 && exchange.end === null) {
          const part = bytes.subarray(from, from + Math.min(LINK.frameBytes, exchange.credit))
          from += part.byteLength
          exchange.credit -= part.byteLength
          frame(FRAME.data, id, part)
        }
        if (from < bytes.byteLength || exchange.end !== null) return
        senders.delete(id)
        frame(FRAME.end, id)
      }
      senders.set(id, send)
      send()
      return exchange
    },
    grant(exchange, bytes) {
      exchange.window += bytes
      raw(encodeCredit(exchange.id, bytes))
    },
    cancel(exchange) {
      exchange.end = 'cancel'
      frame(FRAME.cancel, exchange.id)
    },
  }
  const reads = new Map<number, boolean>()
  const senders = new Map<number, () => void>()
  const decoder = new TextDecoder()
  const take = (whole: Frame) => {
    const { type, stream, payload } = whole
    if (type === FRAME.drain) return void (link.isDraining = true)
    const exchange = link.exchanges.get(stream)
    if (!exchange) return void (link.strays += 1)
    if (type === FRAME.accept || type === FRAME.refuse) exchange.answeredAt = Date.now()
    if (type === FRAME.refuse) exchange.refused = jsonOf(whole, RefuseFrame)
    if (type === FRAME.head) exchange.head = jsonOf(whole, HeadFrame)
    if (type === FRAME.credit) {
      exchange.credit += creditOf(whole) ?? 0
      senders.get(stream)?.()
    }
    if (type === FRAME.end || type === FRAME.cancel) exchange.end ??= type === FRAME.end ? 'end' : 'cancel'
    if (type !== FRAME.data) return
    exchange.bytes += payload.byteLength
    exchange.window -= payload.byteLength
    if (exchange.window < 0) link.overdrafts += 1
    exchange.text += decoder.decode(payload)
    if (reads.get(stream) && exchange.window < LINK.grantBytes) link.grant(exchange, LINK.grantBytes)
  }
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) {
      if (link.isAlive) raw('pong')
      return
    }
    const decoded = decodeFrame(data)
    if (!decoded.ok) throw new Error('a malformed frame of the node')
    take(decoded.value)
  })
  socket.on('error', () => undefined)
  socket.on('close', (code, reason) => {
    link.closed = { code, reason: reason.toString() }
    for (const exchange of link.exchanges.values()) exchange.end ??= 'link'
  })
  return link
}

/** Resolves when the exchange is over, however. */
export async function ended(exchange: Exchange, ms?: number): Promise<Exchange> {
  await eventually(() => exchange.end !== null || exchange.refused !== null, ms)
  return exchange
}

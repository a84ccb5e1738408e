// A link that stands: one socket, its streams, its heartbeat. Every frame is judged before it is believed; one that breaks a rule ends the link with
// `protocol`, whatever ends it ends every call on it, and nothing of it is left behind.
import type { WebSocket } from 'ws'
import {
  creditOf,
  decodeFrame,
  DrainFrame,
  encodeFrame,
  encodeJson,
  FRAME,
  jsonOf,
  LINK,
  LINK_CLOSE,
  OpenFrame,
  type Frame,
  type RefuseFrame,
} from '../../protocol/link.ts'
import { NODE_PATHS } from '../../protocol/node.ts'
import { createFrameWriter } from './frame-writer.ts'
import { LINK_LIMITS } from './link-limits.ts'
import type { LinkMetrics } from './link-metrics.ts'
import { openStream, type LinkStream, type Serve } from './stream.ts'

/** What the gateway may ask for over a link. Health, metrics and the operator's own access are not its business. */
const PATHS: ReadonlySet<string> = new Set([...Object.values(NODE_PATHS), '/souk/challenge'])

export interface LinkClock {
  /** ms since the Unix epoch */
  now(): number
  /** evenly in [0, 1) */
  draw(): number
  /** Resolves after so many ms, or when the signal fires; never rejects. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

export interface ConnectionNeeds {
  readonly socket: WebSocket
  readonly wire: number
  readonly serve: Serve
  readonly clock: LinkClock
  readonly metrics: LinkMetrics
  readonly streamsMax: number
}

/** Why a link ended: a code of LINK_CLOSE or of RFC 6455; `by` says who ended it. */
export interface LinkEnd {
  readonly by: 'node' | 'gateway'
  readonly code: number
  /** words for the log: ours, or the gateway's own, bounded */
  readonly reason: string
}

export interface Connection {
  readonly ended: Promise<LinkEnd>
  /** calls on it now */
  streams(): number
  /** From now on new calls are refused; the gateway is told. */
  drain(): void
  /** Ends it: calls that are still there after `graceMs` are broken off. */
  close(graceMs: number): Promise<void>
}

export function serveLink({ socket, wire, serve, clock, metrics, streamsMax }: ConnectionNeeds): Connection {
  const streams = new Map<number, LinkStream>()
  const stop = new AbortController()
  let highest = 0
  let isDraining = false
  let isHeard = false
  let ended: LinkEnd | null = null
  let emptied = () => {}
  const writer = createFrameWriter(
    {
      send: (data, sent) => socket.send(data, sent),
      get bufferedAmount() {
        return socket.bufferedAmount
      },
    },
    {
      overflow: () => endWith(LINK_CLOSE.protocol, 'it asks and takes no answers'),
      count: (n) => metrics.bytes('out', n),
    },
  )

  /** Everything on it is over at once; the socket itself gets a moment for its handshake. */
  function over(end: LinkEnd): void {
    if (ended) return
    ended = end
    stop.abort()
    writer.close()
    for (const stream of [...streams.values()]) stream.gone()
  }

  function endWith(code: number, reason: string): void {
    if (ended) return
    over({ by: 'node', code, reason })
    socket.close(code, reason)
    // Who does not answer the closing handshake is not waited for.
    const late = setTimeout(() => socket.terminate(), LINK_LIMITS.closeMs)
    socket.once('close', () => clearTimeout(late))
  }

  const refuse = (id: number, refusal: RefuseFrame) => writer.control(encodeJson(FRAME.refuse, id, refusal))

  /** @returns what is wrong with it, or null */
  function opened(frame: Frame): string | null {
    const open = jsonOf(frame, OpenFrame)
    if (!open) return 'a call that cannot be read'
    const id = frame.stream
    if (id <= highest) return 'a stream that was there before'
    highest = id
    if (isDraining) refuse(id, { code: 'draining' })
    else if (streams.size >= streamsMax) refuse(id, { code: 'busy', retryAfterSeconds: 1 })
    else if (!PATHS.has(open.path)) refuse(id, { code: 'bad_request' })
    else accept(id, open)
    return null
  }

  function accept(id: number, open: OpenFrame): void {
    const over = () => {
      streams.delete(id)
      if (streams.size === 0) emptied()
    }
    let stream: LinkStream
    try {
      stream = openStream({ id, open, wire, serve, writer, over })
    } catch {
      return refuse(id, { code: 'bad_request' })
    }
    streams.set(id, stream)
    writer.control(encodeFrame(FRAME.accept, id))
    stream.start()
  }

  /** @returns what is wrong with it, or null */
  function received(frame: Frame): string | null {
    if (frame.type === FRAME.open) return opened(frame)
    if (frame.type === FRAME.drain) {
      const drain = jsonOf(frame, DrainFrame)
      if (drain) void move(drain.withinMs ?? 0)
      return drain ? null : 'a frame that cannot be read'
    }
    if (frame.stream > highest) return 'a stream that was never opened'
    const stream = streams.get(frame.stream)
    switch (frame.type) {
      case FRAME.data:
        return !stream || stream.data(frame.payload) ? null : 'more data than it may send'
      case FRAME.end:
        return !stream || stream.end() ? null : 'an end where there is none'
      case FRAME.cancel:
        stream?.gone()
        return null
      case FRAME.credit: {
        const bytes = creditOf(frame)
        if (bytes !== null) stream?.credit(bytes)
        return bytes === null ? 'a grant of nothing' : null
      }
      case FRAME.accept:
      case FRAME.refuse:
      case FRAME.head:
        return 'a frame that only a node sends'
      default:
        return frame.type satisfies never
    }
  }

  /** The gateway wants us on a new link: at a drawn moment, and when the calls of this one are done, if that is soon. */
  async function move(withinMs: number): Promise<void> {
    await clock.wait(clock.draw() * withinMs, stop.signal)
    if (ended) return
    isDraining = true
    if (streams.size > 0) await Promise.race([isEmpty(), clock.wait(withinMs, stop.signal)])
    endWith(LINK_CLOSE.going, MOVED)
  }

  const isEmpty = () => new Promise<void>((resolve) => (emptied = resolve))

  async function beat(): Promise<void> {
    while (!ended) {
      isHeard = false
      socket.send('ping')
      await clock.wait(LINK.pongMs, stop.signal)
      if (ended) return
      if (!isHeard) {
        over({ by: 'node', code: LINK_CLOSE.silent, reason: 'the gateway fell silent' })
        // Nobody is there for a closing handshake.
        return socket.terminate()
      }
      await clock.wait(LINK.pingMs - LINK.pongMs, stop.signal)
    }
  }

  socket.on('message', (data, isBinary) => {
    if (ended) return
    // Whatever comes shows that somebody is there: on a slow line a `pong` waits behind other frames.
    isHeard = true
    const bytes = bytesOf(data)
    metrics.bytes('in', bytes.byteLength)
    const frame = isBinary ? decodeFrame(bytes) : null
    const fault = frame ? (frame.ok ? received(frame.value) : 'a malformed frame') : isPong(bytes) ? null : 'a text'
    if (fault !== null) endWith(LINK_CLOSE.protocol, fault)
  })
  // Said by `close`, which always follows.
  socket.on('error', () => undefined)
  const closed = new Promise<LinkEnd>((resolve) =>
    socket.once('close', (code, reason) => {
      over({ by: 'gateway', code, reason: plain(reason.toString()) })
      if (ended) resolve(ended)
    }),
  )
  socket.resume()
  void beat()
  return {
    ended: closed,
    streams: () => streams.size,
    drain() {
      if (isDraining || ended) return
      isDraining = true
      writer.control(encodeJson(FRAME.drain, 0, {}))
    },
    async close(graceMs) {
      isDraining = true
      if (streams.size > 0 && !ended) await Promise.race([isEmpty(), clock.wait(graceMs, stop.signal)])
      for (const stream of [...streams.values()]) stream.breakOff()
      endWith(LINK_CLOSE.going, 'the node stops')
      await closed
    },
  }
}

/** The reason of a link that ended because the gateway asked for a new one. */
export const MOVED = 'moved to a new link'

/** ws gives a Buffer, unless told otherwise. */
const bytesOf = (data: Buffer | ArrayBuffer | Buffer[]): Uint8Array =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? new Uint8Array(data) : data

const isPong = (bytes: Uint8Array): boolean => Buffer.from(bytes.subarray(0, 8)).toString() === 'pong'

/** One line that a log can hold. */
export const plain = (text: string): string =>
  [...text]
    .map((character) => (character < ' ' || character === '\u007f' ? ' ' : character))
    .join('')
    .slice(0, LINK_LIMITS.sentenceCharacters)

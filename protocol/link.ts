// The link: a node's own outbound WebSocket to the gateway, so that a machine behind any router serves without a listening port. One socket
// carries many calls as streams of frames. Every stream has credit in both directions, every frame a ceiling, and silence an end.
//
// Node -> gateway: `GET /link`, upgraded, with `authorization: SoukLink <JWS by the node key over LinkClaims>` and `souk-wire`. Gateway -> node: 101 with
// the version that was agreed in `souk-wire`; or the gateway's usual refusal as JSON: 422 `authorization_refused` (signature, clock, revoked or unknown node),
// 409 `conflict` (another process with this key is linked), 426 `wire_version_unsupported`, 429 or 503 with `Retry-After`.
//
// A call: OPEN, at once ACCEPT or REFUSE; DATA … END for the body; HEAD, DATA … END for the answer. CANCEL ends a stream from either side at any time, and whoever
// gets or sends one forgets the stream; frames of forgotten streams are ignored. A broken rule closes the socket with `protocol`.
//
// The body's frames may follow OPEN without waiting for ACCEPT. CREDIT grants again what was taken and no more: never more than `windowBytes` are granted and not yet
// sent. A stream is over when both sides have sent END; when the answer ends first, the gateway sends CANCEL instead of the rest of the body. A refused stream is over.
import { z } from 'zod'
import type { Result } from './errors.ts'
import { WIRE_HEADER } from './wire.ts'

export const LINK_PATH = '/link'
export const LINK_SCHEME = 'SoukLink'
export const LINK_TYP = 'souk-link'
/** What stands where an address would: this node is reached by its link. */
export const LINK_ENDPOINT = 'link'

export const LINK = {
  /** bytes of a frame's payload */
  frameBytes: 64 * 1024,
  /** bytes either side may send on one stream before the reader grants more */
  windowBytes: 256 * 1024,
  /** a reader grants again when it has taken so much: fewer frames than bytes */
  grantBytes: 128 * 1024,
  /** streams at the same time on one link, unless the node said fewer */
  streamsMax: 1_024,
  /** bytes of the JSON in OPEN, REFUSE, HEAD and DRAIN: a ticket is 4 kB at most */
  jsonBytes: 16 * 1024,
  /** ms within which a node accepts or refuses a stream; later it counts as gone and another node is asked */
  acceptMs: 1_000,
  /** ms between two `ping` of the node (text frames; the gateway answers `pong` without waking up) */
  pingMs: 20_000,
  /** ms without a `pong` after which the node takes the socket for dead */
  pongMs: 10_000,
  /** ms without a `ping` after which the gateway takes the socket for dead: two lost ones */
  silentMs: 50_000,
  /** ms a link may be away before its node is shown as unreachable: a deployment drops every link, and they come back over some seconds */
  graceMs: 20_000,
  /** ms of the first pause before a reconnect at most, and of the longest; in between it doubles, and each is drawn at random below its bound */
  pauseMs: { first: 5_000, last: 60_000, least: 250 },
  /** bytes that may wait in a socket's buffer before its writer pauses */
  bufferedBytes: 1024 * 1024,
} as const

/** What the node key signs to open a link. `iat` (seconds) within a minute of the gateway's clock. */
export const LinkClaims = z.strictObject({
  use: z.literal('souk-link'),
  nodeId: z.string(),
  iat: z.number().int(),
  /** random per process: the same process may take its own dead link over at once, another one may not */
  instance: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
  /** streams this node takes at the same time */
  streamsMax: z.number().int().min(1).max(LINK.streamsMax),
})
export type LinkClaims = z.infer<typeof LinkClaims>

/** Why a socket was closed (RFC 6455 7.4.2: 4000–4999 are ours). */
export const LINK_CLOSE = {
  /** the gateway or the node restarts: come back after a pause */
  going: 4000,
  /** the same process has opened a newer one */
  replaced: 4001,
  /** a frame that breaks a rule of this file */
  protocol: 4002,
  /** the node was suspended, revoked or its key was exchanged: coming back at once is no use */
  revoked: 4003,
  /** nothing was heard for too long */
  silent: 4004,
} as const

export const FRAME = {
  open: 1,
  accept: 2,
  refuse: 3,
  head: 4,
  data: 5,
  end: 6,
  cancel: 7,
  credit: 8,
  drain: 9,
} as const
export type FrameType = (typeof FRAME)[keyof typeof FRAME]

/** Gateway -> node. Paths and headers as over HTTPS; a body always follows, even an empty one. */
export const OpenFrame = z.strictObject({
  path: z.string().startsWith('/').max(128),
  contentType: z.string().max(128),
  /** compact JWS; '' for a challenge */
  ticket: z.string().max(4_096),
  /** bytes of the body */
  bodyBytes: z.number().int().min(0),
})
export type OpenFrame = z.infer<typeof OpenFrame>

/** Node -> gateway, instead of ACCEPT: nothing was executed. */
export const RefuseFrame = z.strictObject({
  code: z.enum(['busy', 'draining', 'bad_request']),
  retryAfterSeconds: z.number().int().min(0).max(3_600).optional(),
})
export type RefuseFrame = z.infer<typeof RefuseFrame>

/** Node -> gateway: the answer begins. */
export const HeadFrame = z.strictObject({
  status: z.number().int().min(200).max(599),
  contentType: z.string().max(128),
  retryAfterSeconds: z.number().int().min(0).max(86_400).optional(),
})
export type HeadFrame = z.infer<typeof HeadFrame>

/** Stream 0. Node -> gateway: it takes no new calls. Gateway -> node: come back by a new link, after at most so many ms. */
export const DrainFrame = z.strictObject({ withinMs: z.number().int().min(0).max(600_000).optional() })
export type DrainFrame = z.infer<typeof DrainFrame>

export interface Frame {
  readonly type: FrameType
  /** 1 … 2^32-1, chosen by the gateway, in rising order and so never twice on one link; 0: the link itself */
  readonly stream: number
  /** JSON, bytes, a u32 of bytes granted, or nothing */
  readonly payload: Uint8Array
}

const HEADER_BYTES = 5

/** One binary message: type u8, stream u32 big-endian, payload. */
export function encodeFrame(type: FrameType, stream: number, payload: Uint8Array = NOTHING): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + payload.byteLength)
  bytes[0] = type
  new DataView(bytes.buffer).setUint32(1, stream)
  bytes.set(payload, HEADER_BYTES)
  return bytes
}

export const encodeJson = (type: FrameType, stream: number, json: object): Uint8Array<ArrayBuffer> =>
  encodeFrame(type, stream, new TextEncoder().encode(JSON.stringify(json)))

export function encodeCredit(stream: number, bytes: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(4)
  new DataView(payload.buffer).setUint32(0, bytes)
  return encodeFrame(FRAME.credit, stream, payload)
}

/** The payload is a view of `message`. Refused is what is too long, too short, or of no known type. */
export function decodeFrame(message: Uint8Array): Result<Frame, 'malformed'> {
  const [type = 0] = message
  const isSized = message.byteLength >= HEADER_BYTES && message.byteLength <= HEADER_BYTES + LINK.frameBytes
  if (!isSized || !isFrameType(type)) return { ok: false, code: 'malformed' }
  const stream = new DataView(message.buffer, message.byteOffset, message.byteLength).getUint32(1)
  if ((stream === 0) !== (type === FRAME.drain)) return { ok: false, code: 'malformed' }
  return { ok: true, value: { type, stream, payload: message.subarray(HEADER_BYTES) } }
}

/** The JSON of a frame by its schema; null when it is none, or longer than {@link LINK.jsonBytes}. */
export function jsonOf<T>(frame: Frame, schema: z.ZodType<T>): T | null {
  if (frame.payload.byteLength > LINK.jsonBytes) return null
  try {
    return (
      schema.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(frame.payload)))
        .data ?? null
    )
  } catch {
    return null
  }
}

/** Bytes granted; null when the payload is no number above zero. */
export function creditOf({ payload }: Frame): number | null {
  if (payload.byteLength !== 4) return null
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0) || null
}

/**
 * ms to wait before the next try: drawn evenly below a bound that doubles (full jitter), so that a thousand dropped links come back spread out.
 * @param attempt tries since the link last stood, from 0 @param draw evenly in [0, 1)
 */
export function reconnectPauseMs(attempt: number, draw: number): number {
  const { first, last, least } = LINK.pauseMs
  const bound = Math.min(last, first * 2 ** Math.min(attempt, 20))
  return Math.max(least, Math.floor(draw * bound))
}

/** The headers of an upgrade. */
export const linkHeaders = (jws: string, wire: number): Record<string, string> => ({
  authorization: `${LINK_SCHEME} ${jws}`,
  [WIRE_HEADER]: String(wire),
})

const NOTHING = new Uint8Array(0)
const TYPES: ReadonlySet<number> = new Set(Object.values(FRAME))
const isFrameType = (type: number): type is FrameType => TYPES.has(type)

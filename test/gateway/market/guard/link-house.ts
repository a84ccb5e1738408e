// A registered node with a link of its own, speaking the frames of protocol/link.ts over the socket it got from the Worker's own GET /link. It answers
// as a test tells it to, or echoes; what it hears is kept.
import { env, runDurableObjectAlarm, SELF } from 'cloudflare:test'
import { exportJWK, type CryptoKey } from 'jose'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { LinkGone } from '../../../../gateway/link/node-link.ts'
import { createSocketLink } from '../../../../gateway/link/socket-link.ts'
import { createNodeGuards } from '../../../../gateway/market/guard/node-guard.ts'
import {
  creditOf,
  decodeFrame,
  encodeCredit,
  encodeFrame,
  encodeJson,
  FRAME,
  LINK,
  LINK_ENDPOINT,
  LINK_TYP,
  linkHeaders,
  OpenFrame,
  jsonOf,
  type Frame,
} from '../../../../protocol/link.ts'
import { signClaims } from '../../../../protocol/ticket.ts'
import { newNodeId, type NodeId } from '../../../../protocol/units.ts'
import { OPERATOR } from '../builders.ts'
import { newKey } from '../fake-node.ts'

export const guards = createNodeGuards(env.NODE)
export const socketLink = createSocketLink({ guards, random: systemRandom })
export const stubOf = (nodeId: NodeId) => env.NODE.get(env.NODE.idFromName(nodeId))

export interface Registered {
  readonly nodeId: NodeId
  readonly nodeKey: string
  readonly privateKey: CryptoKey
}

export async function aRegisteredNode(
  over: { state?: string; endpoint?: string; linkUpAt?: number } = {},
): Promise<Registered> {
  const { privateKey, publicKey } = await newKey()
  const nodeKey = (await exportJWK(publicKey)).x ?? ''
  const nodeId = newNodeId(systemRandom)
  const insert = `INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, wire_version, state,
    link_up_at, created_at) VALUES (?, 'behind a router', ?, '', ?, '', ?, 2, ?, ?, 0)`
  await env.DB.prepare(insert)
    .bind(nodeId, OPERATOR, nodeKey, over.endpoint ?? LINK_ENDPOINT, over.state ?? 'active', over.linkUpAt ?? null)
    .run()
  return { nodeId, nodeKey, privateKey }
}

export interface UpgradeOver {
  readonly key?: CryptoKey
  readonly nodeId?: string
  readonly instance?: string
  readonly streamsMax?: number
  /** seconds off the real time */
  readonly off?: number
  readonly typ?: string
  readonly wire?: string | null
  readonly headers?: Record<string, string>
}

export async function upgrade(node: Registered, over: UpgradeOver = {}): Promise<Response> {
  const claims = {
    use: 'souk-link',
    nodeId: over.nodeId ?? node.nodeId,
    iat: Math.floor(Date.now() / 1_000) + (over.off ?? 0),
    instance: over.instance ?? 'instance-aaaaaaaaaa',
    streamsMax: over.streamsMax ?? LINK.streamsMax,
  }
  const jws = await signClaims(claims, over.key ?? node.privateKey, { typ: over.typ ?? LINK_TYP })
  const headers = new Headers({ upgrade: 'websocket', ...linkHeaders(jws, 2), ...over.headers })
  if (over.wire === null) headers.delete('souk-wire')
  else if (over.wire !== undefined) headers.set('souk-wire', over.wire)
  return SELF.fetch('https://souk.example.com/link', { headers })
}

/** What a node does when a call comes; by default it echoes the body. */
export type OnOpen = (id: number, open: OpenFrame, node: LinkedNode) => void

export type LinkedNode = Awaited<ReturnType<typeof link>>

export async function link(node: Registered, over: UpgradeOver & { onOpen?: OnOpen } = {}) {
  const response = await upgrade(node, over)
  const socket = response.webSocket
  if (!socket) throw new Error(`no link: ${response.status} ${await response.text()}`)
  socket.binaryType = 'arraybuffer'
  socket.accept()
  const heard: Frame[] = []
  const texts: string[] = []
  const closes: { code: number; reason: string }[] = []
  const send = (frame: Uint8Array): void => socket.send(frame)
  const linked = {
    response,
    socket,
    heard,
    texts,
    closes,
    send,
    accept: (id: number) => send(encodeFrame(FRAME.accept, id)),
    refuse: (id: number, body: object) => send(encodeJson(FRAME.refuse, id, body)),
    head: (id: number, status = 200, contentType = 'text/event-stream') =>
      send(encodeJson(FRAME.head, id, { status, contentType })),
    data: (id: number, bytes: Uint8Array | string) =>
      send(encodeFrame(FRAME.data, id, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)),
    end: (id: number) => send(encodeFrame(FRAME.end, id)),
    cancel: (id: number) => send(encodeFrame(FRAME.cancel, id)),
    of: (type: number, id?: number) =>
      heard.filter((frame) => frame.type === type && (id === undefined || frame.stream === id)),
    opened: () => linked.of(FRAME.open).map(({ stream }) => stream),
    bytes: (id: number) => linked.of(FRAME.data, id).reduce((sum, { payload }) => sum + payload.byteLength, 0),
  }
  const onOpen = over.onOpen ?? echo()
  socket.addEventListener('close', ({ code, reason }) => void closes.push({ code, reason }))
  socket.addEventListener('message', ({ data }) => {
    if (typeof data === 'string') return void texts.push(data)
    const frame = decodeFrame(new Uint8Array(data as ArrayBuffer)) // binaryType says so
    if (!frame.ok) throw new Error(frame.code)
    heard.push(frame.value)
    if (frame.value.type !== FRAME.open) return onFrame(frame.value, linked)
    const open = jsonOf(frame.value, OpenFrame)
    if (open) onOpen(frame.value.stream, open, linked)
  })
  return linked
}

const waiting = new WeakMap<object, Map<number, Uint8Array[]>>()
const credits = new WeakMap<object, Map<number, number>>()

/** Gives the body back as it comes, within credit. */
export function echo(): OnOpen {
  return (id, _open, node) => {
    ;(waiting.get(node) ?? waiting.set(node, new Map()).get(node))?.set(id, [])
    ;(credits.get(node) ?? credits.set(node, new Map()).get(node))?.set(id, LINK.windowBytes)
    node.accept(id)
    node.head(id)
  }
}

function onFrame(frame: Frame, node: LinkedNode): void {
  const { type, stream: id, payload } = frame
  const parts = waiting.get(node)?.get(id)
  const mine = credits.get(node)
  if (!parts || !mine) return
  if (type === FRAME.cancel) return void waiting.get(node)?.delete(id)
  if (type === FRAME.credit) mine.set(id, (mine.get(id) ?? 0) + (creditOf(frame) ?? 0))
  if (type === FRAME.data) {
    parts.push(payload)
    node.send(encodeCredit(id, payload.byteLength))
  }
  const isWhole = node.of(FRAME.end, id).length > 0
  for (let part = parts[0]; part; part = parts[0]) {
    const now = part.subarray(0, mine.get(id) ?? 0)
    if (now.byteLength === 0) return
    node.data(id, now)
    mine.set(id, (mine.get(id) ?? 0) - now.byteLength)
    if (now.byteLength === part.byteLength) parts.shift()
    else parts[0] = part.subarray(now.byteLength)
  }
  if (!isWhole) return
  node.end(id)
  waiting.get(node)?.delete(id)
}

/** A call of an isolate. */
export const ask = (
  nodeId: NodeId,
  body: string | Uint8Array = 'hello',
  over: { signal?: AbortSignal; ticket?: string } = {},
) =>
  socketLink.send({
    nodeId,
    endpoint: LINK_ENDPOINT,
    wireVersion: 2,
    path: '/v1/chat/completions',
    body,
    ticket: over.ticket ?? 'a.b.c',
    signal: over.signal ?? new AbortController().signal,
  })

/** Whether the link was said to be gone, and how. */
export const goneOf = async (call: Promise<Response>): Promise<string> =>
  call.then(
    ({ status }) => `answered ${status}`,
    (error: unknown) => (error instanceof LinkGone ? (error.isLinked ? 'silent' : 'away') : String(error)),
  )

/** Until it is so, or the test's time is up. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5))
}

const ALARM_TRIES = 20

/** Runs what the guard is to be woken for. While it is awake by itself there is no alarm to be seen, so that is waited for. @returns whether there was one */
export async function alarm(nodeId: NodeId): Promise<boolean> {
  for (let tries = 0; tries < ALARM_TRIES; tries++) {
    if (await runDurableObjectAlarm(stubOf(nodeId))) return true
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return false
}

export const row = async (nodeId: NodeId) =>
  env.DB.prepare('SELECT link_up_at, link_down_at FROM nodes WHERE id = ?')
    .bind(nodeId)
    .first<{ link_up_at: number | null; link_down_at: number | null }>()

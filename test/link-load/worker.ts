// The gateway's own entry with a door beside it: a call goes through it to a node's link as a call of the gateway does (createSocketLink, NodeGuard), without account, money and
// relay. It also tells what the guards' streams still hold, and can be told to make a mistake, so that it is seen that the load finds one.
import gateway, { NodeGuard } from '../../gateway/index.ts'
import { systemRandom } from '../../gateway/core/clock.ts'
import type { Bindings } from '../../gateway/core/env.ts'
import { AnswerInbox } from '../../gateway/link/answer-inbox.ts'
import { boundedChunks, orAborted } from '../../gateway/link/bounded.ts'
import { LinkStream } from '../../gateway/link/link-stream.ts'
import { LinkGone } from '../../gateway/link/node-link.ts'
import { createSocketLink } from '../../gateway/link/socket-link.ts'
import { Streams } from '../../gateway/link/streams.ts'
import { createNodeGuards } from '../../gateway/market/guard/node-guard.ts'
import { FRAME, LINK_CLOSE, LINK_ENDPOINT, type Frame } from '../../protocol/link.ts'
import { NODE_PATHS } from '../../protocol/node.ts'
import { isNodeId, type NodeId } from '../../protocol/units.ts'
import { WHOLE } from './whole.ts'

export { AccountGuard } from '../../gateway/index.ts'
export { NodeGuard }

export default {
  async fetch(request, bindings, context) {
    const { pathname, searchParams } = new URL(request.url)
    if (!pathname.startsWith('/load/')) return gateway.fetch(request, bindings, context)
    if (pathname === '/load/state') return Response.json(stateOf())
    if (pathname === '/load/fault') return plant(searchParams.get('fault'))
    const nodeId = searchParams.get('node') ?? ''
    if (!isNodeId(nodeId)) return new Response(null, { status: 400 })
    if (pathname === '/load/call') return call(request, bindings, nodeId, context)
    const guard = createNodeGuards(bindings.NODE)(nodeId)
    if (pathname === '/load/drain') await guard.sendDrain(2_000)
    if (pathname === '/load/drop') await guard.dropLink(LINK_CLOSE.going, 'The load asked for it.')
    return new Response(null, { status: 204 })
  },
  scheduled: (event, bindings) => gateway.scheduled(event, bindings),
} satisfies ExportedHandler<Bindings>

/** 503: not executed, to be tried again; 502: broken before its head; else the node's own answer, relayed by one pump as the gateway does it. */
async function call(
  request: Request,
  bindings: Bindings,
  nodeId: NodeId,
  context: ExecutionContext,
): Promise<Response> {
  const link = createSocketLink({ guards: createNodeGuards(bindings.NODE), random: systemRandom })
  const body = new Uint8Array(await request.arrayBuffer())
  const left = new AbortController()
  const signal = AbortSignal.any([request.signal, left.signal])
  const to = { nodeId, endpoint: LINK_ENDPOINT, wireVersion: 2, path: NODE_PATHS.chat, ticket: 'a.b.c', body, signal }
  // The runtime drops a request whose caller left: what was begun is brought to its end.
  const answering = link.send(to)
  context.waitUntil(answering.catch(() => undefined))
  try {
    const answer = await answering
    let cut = (_why: unknown): void => undefined
    const start = (controller: TransformStreamDefaultController) => void (cut = (why) => controller.error(why))
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({ start })
    context.waitUntil(pump(answer, writable.getWriter(), signal, left, (why) => cut(why)))
    return new Response(readable, answer)
  } catch (error) {
    if (error instanceof LinkGone) return new Response(null, { status: 503 })
    if (error instanceof TypeError) return new Response(null, { status: 502 })
    throw error
  }
}

/** ms a caller may let one write wait. Of who leaves while a write waits nobody is told anything: the gateway has such a limit too (callerStallMs), and a pump without one would wait for ever. */
const STALL_MS = 5_000
const stalling = (signal: AbortSignal) => AbortSignal.any([signal, AbortSignal.timeout(STALL_MS)])

/** Ends with a mark what came to a true end: workerd's own HTTP server was seen to finish a response whose body had been aborted. */
async function pump(
  answer: Response,
  writer: WritableStreamDefaultWriter<Uint8Array>,
  signal: AbortSignal,
  left: AbortController,
  cut: (why: unknown) => void,
): Promise<void> {
  writer.closed.catch(() => left.abort())
  try {
    for await (const chunk of boundedChunks(answer, Infinity, signal))
      await orAborted(writer.write(chunk), stalling(signal))
    await writer.write(new Uint8Array([WHOLE]))
    await writer.close()
  } catch (error) {
    left.abort()
    // Not the writer's abort, which waits for a write under way.
    cut(error)
  }
}

// Guards live in this isolate: whatever opens a stream is noted, and asked as long as it is not collected.
const houses = new Set<WeakRef<Streams>>()
const known = new WeakSet<Streams>()
const openOf = Reflect.get(Streams.prototype, 'open') // a method, which the next line replaces
Streams.prototype.open = function (open) {
  if (!known.has(this)) houses.add(new WeakRef(this))
  known.add(this)
  return openOf.call(this, open)
}

// A guard looks at its calls by an interval as long as it has any: one that runs in the end is a call that was forgotten.
const intervals = new Set<unknown>()
const { setInterval: start, clearInterval: stop } = globalThis
Object.assign(globalThis, {
  setInterval(look: () => void, ms: number) {
    const timer = start(look, ms)
    intervals.add(timer)
    return timer
  },
  clearInterval(timer: number) {
    intervals.delete(timer)
    stop(timer)
  },
})

function stateOf() {
  const state = { streams: 0, busyLinks: 0, answerBytes: 0, bodyBytes: 0, watches: intervals.size }
  for (const house of houses) {
    const streams = house.deref()
    if (!streams) houses.delete(house)
    state.streams += streams?.count ?? 0
    state.busyLinks += streams?.isIdle === false ? 1 : 0
    state.answerBytes += streams?.heldBytes.answers ?? 0
    state.bodyBytes += streams?.heldBytes.bodies ?? 0
  }
  return state
}

/** A mistake the gateway could make, now and then: `swap` gives two streams each other's bytes, `lose` loses some, `end` calls a broken answer whole, `credit` forgets a grant. */
function plant(fault: string | null): Response {
  if (fault === 'credit') forgetCredit()
  const receive = Reflect.get(LinkStream.prototype, 'receive') // a method, which is replaced below
  if (fault === 'lose') LinkStream.prototype.receive = everyHundredth(receive, () => true)
  if (fault === 'end')
    LinkStream.prototype.receive = everyHundredth(receive, (stream, frame) =>
      receive.call(stream, { ...frame, type: FRAME.end, payload: new Uint8Array(0) }),
    )
  if (fault === 'swap') {
    let kept: Frame | null = null
    LinkStream.prototype.receive = everyHundredth(receive, (stream, frame) => {
      const other = kept ?? frame
      kept = { ...frame, payload: frame.payload.slice() }
      const payload = other.payload.slice(0, frame.payload.byteLength)
      return receive.call(stream, { ...frame, payload })
    })
  }
  return new Response(null, { status: 204 })
}

type Receive = LinkStream['receive']

/** Every hundredth frame of data goes another way. */
function everyHundredth(receive: Receive, other: (stream: LinkStream, frame: Frame) => boolean): Receive {
  let frames = 0
  return function (this: LinkStream, frame) {
    const isDue = frame.type === FRAME.data && ++frames % 100 === 0
    return isDue ? other(this, frame) : receive.call(this, frame)
  }
}

function forgetCredit(): void {
  const grant = Reflect.get(AnswerInbox.prototype, 'grant') // a method, which the next line replaces
  let grants = 0
  AnswerInbox.prototype.grant = function () {
    const bytes = grant.call(this)
    return bytes > 0 && ++grants % 100 === 0 ? 0 : bytes
  }
}

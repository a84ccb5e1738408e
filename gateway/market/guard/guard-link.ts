// The link of one node, in its guard: which socket is the node's, the calls on it, and when it counts as gone. The guard may be asleep between two
// events, so what it needs of a socket stands in the socket's attachment and what it needs of the past in its store; only calls under way live in
// memory, and they keep it awake.
import { encodeJson, FRAME, LINK, LINK_CLOSE } from '../../../protocol/link.ts'
import { WIRE_HEADER } from '../../../protocol/wire.ts'
import { instant, type Instant } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { LINK_LIMITS } from '../../link/limits.ts'
import { failed, type GuardCall } from '../../link/link-request.ts'
import { closeQuietly, sendQuietly } from '../../link/link-socket.ts'
import { StreamBroken, type LinkStream, type StreamReply } from '../../link/link-stream.ts'
import { ATTEMPT_MS } from '../health/health.ts'
import { answerOf, refusalResponse, sendBody } from './link-answer.ts'
import type { LinkOffer, LinkRefusal } from './link-offer.ts'
import type { LinkStore } from './link-store.ts'
import { standingLink, StandingLink } from './standing-link.ts'

/** What the registry is to be told. */
export interface LinkNews {
  readonly isUp: boolean
  readonly since: Instant
}

export interface GuardLinkNeeds {
  readonly context: DurableObjectState
  readonly store: LinkStore
  readonly clock: Clock
  /** the link came or went: look at {@link GuardLink.nextLook} again */
  readonly onChange: () => void
}

export class GuardLink {
  readonly #needs: GuardLinkNeeds
  readonly #calls = new Map<string, { readonly stream: LinkStream; readonly since: Instant }>()
  #standing: StandingLink | null = null
  /** ms when the last frame came; 0 after a sleep */
  #heardAt = 0
  #watch: ReturnType<typeof setInterval> | undefined

  constructor(needs: GuardLinkNeeds) {
    this.#needs = needs
    needs.context.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'))
    this.#standing = standingLink(needs.context)
    // A runtime that was restarted has lost its sockets without a word.
    if (!this.#standing) needs.store.went(needs.clock())
  }

  /** A node that was checked asks for its place. The same process may take over from itself at once; another one only from a link that is dead. */
  async accept(offer: LinkOffer): Promise<Response> {
    const before = this.#standing
    const isSame = before?.about.instance === offer.instance
    if (before && !isSame && (await this.#isAlive(before))) return this.#refuse(before)
    // Somebody else came while the old one was asked.
    if (this.#standing && this.#standing !== before) return this.#refuse(this.#standing)
    if (before)
      this.#end(
        before,
        isSame ? LINK_CLOSE.replaced : LINK_CLOSE.silent,
        isSame ? 'A newer link is open.' : 'It is silent.',
      )
    const { isShown, ...about } = offer
    const { 0: theirs, 1: ours } = new WebSocketPair()
    this.#needs.context.acceptWebSocket(ours)
    this.#heardAt = 0
    const linkedAt = this.#needs.clock()
    this.#standing = new StandingLink(ours, { ...about, linkedAt, nextId: 1, isDraining: false })
    this.#needs.store.came(isShown)
    this.#needs.onChange()
    return new Response(null, { status: 101, webSocket: theirs, headers: { [WIRE_HEADER]: String(about.wireVersion) } })
  }

  /** One call. Everything up to the first wait happens at once, so that a cancel that follows finds it. */
  async call(open: GuardCall, body: ReadableStream<Uint8Array> | null): Promise<Response> {
    const { key, ...frame } = open
    const link = this.#standing
    if (!link) return failed('away')
    if (this.#isSilent(link)) {
      this.#endSilent(link)
      return failed('away')
    }
    // A challenge is no work: the node itself says whether it still answers it.
    if (link.about.isDraining && frame.ticket !== '') return refusalResponse({ code: 'draining' })
    if (link.streams.isUsedUp) {
      this.#end(link, LINK_CLOSE.going, 'Come back by a new link.')
      return failed('away')
    }
    if (!link.streams.hasRoom) return refusalResponse({ code: 'busy' })
    const stream = link.streams.open(frame)
    this.#begin(key, stream)
    void sendBody(body, stream)
    const reply = await this.#replyOf(stream)
    if (reply instanceof StreamBroken || reply.kind === 'refused') {
      this.#finish(key)
      if (reply instanceof StreamBroken) return failed(reply.why === 'unaccepted' ? 'silent' : 'broken')
      if (reply.refusal.code === 'draining') link.drains()
      return refusalResponse(reply.refusal)
    }
    return answerOf(stream, reply.head, link.about.wireVersion, () => this.#finish(key))
  }

  cancel(key: string): void {
    this.#calls.get(key)?.stream.cancel('cancelled')
    this.#finish(key)
  }

  /** One message of a socket, which may be one that was replaced. */
  receive(socket: WebSocket, message: ArrayBuffer | string): void {
    const link = this.#standing
    if (link?.socket !== socket) return
    this.#heardAt = this.#needs.clock()
    // Pings are answered by the runtime; there is no other text.
    const isFine = typeof message !== 'string' && link.streams.receive(new Uint8Array(message))
    if (!isFine) this.#end(link, LINK_CLOSE.protocol, 'A frame broke a rule of the link.')
  }

  /** The socket closed, whoever began it. */
  closed(socket: WebSocket): void {
    const link = this.#standing
    if (link?.socket === socket) this.#end(link, LINK_CLOSE.going, '')
    else closeQuietly(socket, LINK_CLOSE.going, '')
  }

  /** Ends the link from this side. */
  drop(code: number, reason: string): void {
    if (this.#standing) this.#end(this.#standing, code, reason)
  }

  /** Asks the node to come back by a new link. */
  askToComeBack(withinMs: number): void {
    if (this.#standing) sendQuietly(this.#standing.socket, encodeJson(FRAME.drain, 0, { withinMs }))
  }

  /** Looks at a link that may be dead without a word. @returns what the registry does not know yet and should */
  look(now: Instant): LinkNews | null {
    if (this.#standing && this.#isSilent(this.#standing)) this.#endSilent(this.#standing)
    const state = this.#needs.store.state()
    if (!state) return null
    if (this.#standing) return state.isShown ? null : { isUp: true, since: this.#standing.about.linkedAt }
    const isAway = state.lostAt !== null && now - state.lostAt >= LINK.graceMs
    return state.isShown && isAway && state.lostAt !== null ? { isUp: false, since: state.lostAt } : null
  }

  told({ isUp }: LinkNews): void {
    this.#needs.store.shown(isUp)
  }

  /** When {@link look} is due; null: not before the link comes or goes. */
  nextLook(now: Instant): Instant | null {
    const state = this.#needs.store.state()
    if (this.#standing) return state?.isShown ? instant(now + LINK_LIMITS.checkMs) : now
    return state?.isShown && state.lostAt !== null ? instant(Math.max(now, state.lostAt + LINK.graceMs)) : null
  }

  #end(link: StandingLink, code: number, reason: string, at: Instant = this.#needs.clock()): void {
    if (this.#standing === link) this.#standing = null
    closeQuietly(link.socket, code, reason)
    link.streams.lose()
    this.#needs.store.went(at)
    this.#needs.onChange()
  }

  #endSilent(link: StandingLink): void {
    this.#end(link, LINK_CLOSE.silent, 'Nothing was heard for too long.', this.#lastHeard(link))
  }

  #lastHeard({ socket, about }: StandingLink): Instant {
    const pingedAt = this.#needs.context.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0
    return instant(Math.max(pingedAt, about.linkedAt, this.#heardAt))
  }

  #isSilent(link: StandingLink): boolean {
    return this.#needs.clock() - this.#lastHeard(link) > LINK.silentMs
  }

  /** Whether a node is still there: it was heard just now, or it answers a call that orders nothing. */
  async #isAlive(link: StandingLink): Promise<boolean> {
    if (this.#isSilent(link)) return false
    if (this.#needs.clock() - this.#lastHeard(link) < LINK_LIMITS.probeMs || !link.streams.hasRoom) return true
    const stream = link.streams.open({
      path: '/souk/challenge',
      contentType: 'application/json',
      ticket: '',
      bodyBytes: 0,
    })
    stream.endBody()
    const late = setTimeout(() => stream.cancel('unaccepted'), LINK_LIMITS.probeMs)
    const hasAnswered = await stream.accepted().then(
      () => true,
      // It has been lost, or has said nothing.
      () => false,
    )
    clearTimeout(late)
    stream.cancel('cancelled')
    return hasAnswered
  }

  #refuse(standing: StandingLink): Response {
    const leftMs = this.#lastHeard(standing) + LINK.silentMs - this.#needs.clock()
    const refusal: LinkRefusal = { retryAfterSeconds: Math.max(1, Math.ceil(leftMs / 1_000)) }
    return Response.json(refusal, { status: 409 })
  }

  async #replyOf(stream: LinkStream): Promise<StreamReply | StreamBroken> {
    const late = setTimeout(() => stream.isAccepted || stream.cancel('unaccepted'), LINK.acceptMs)
    try {
      return await stream.reply()
    } catch (error) {
      if (error instanceof StreamBroken) return error
      throw error
    } finally {
      clearTimeout(late)
    }
  }

  #begin(key: string, stream: LinkStream): void {
    this.#calls.set(key, { stream, since: this.#needs.clock() })
    this.#watch ??= setInterval(() => this.#lookAtCalls(), LINK_LIMITS.watchMs)
  }

  #finish(key: string): void {
    this.#calls.delete(key)
    if (this.#calls.size > 0) return
    clearInterval(this.#watch)
    this.#watch = undefined
  }

  /** While calls are under way: is the node still heard, and has nobody forgotten to end one? */
  #lookAtCalls(): void {
    if (this.#standing && this.#isSilent(this.#standing)) this.#endSilent(this.#standing)
    const now = this.#needs.clock()
    for (const [key, { stream, since }] of this.#calls) {
      if (now - since <= ATTEMPT_MS) continue
      stream.cancel('too_slow')
      this.#finish(key)
    }
  }
}

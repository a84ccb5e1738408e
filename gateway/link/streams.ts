// The gateway's side of one link: many calls as streams of frames over one socket, which this file knows only as a function that sends. It promises
// that no byte is lost, crossed or reordered, that neither side sends beyond its credit, and that what waits here never passes the bounds of
// limits.ts: a slow reader holds up its own stream, and when all of them together hold too much, the slowest one is cut off.
import { decodeFrame, DrainFrame, encodeJson, FRAME, jsonOf, LINK, type OpenFrame } from '../../protocol/link.ts'
import { LINK_LIMITS } from './limits.ts'
import { LinkStream, type StreamHouse } from './link-stream.ts'

export interface StreamsNeeds {
  /** never throws: a socket that is gone says so by its close */
  readonly send: (frame: Uint8Array) => void
  /** the node takes no new calls */
  readonly onDrain: () => void
  /** streams at the same time: what the node said, at most */
  readonly streamsMax: number
  /** the first of {@link LINK_LIMITS.idBlock} ids that no stream of this link has had */
  readonly nextIds: () => number
}

const ID_MAX = 2 ** 32 - 1

export class Streams {
  readonly #needs: StreamsNeeds
  readonly #house: StreamHouse
  /** frames are expected for them */
  readonly #byId = new Map<number, LinkStream>()
  /** bytes of them may wait here */
  readonly #alive = new Set<LinkStream>()
  #nextId: number
  #idsEnd: number
  #answerBytes = 0
  #bodyBytes = 0

  constructor(needs: StreamsNeeds) {
    this.#needs = needs
    this.#nextId = needs.nextIds()
    this.#idsEnd = this.#nextId + LINK_LIMITS.idBlock
    this.#house = {
      send: needs.send,
      holdAnswer: (bytes) => this.#holdAnswer(bytes),
      holdBody: (bytes) => this.#holdBody(bytes),
      mayHoldBody: () => this.#bodyBytes < LINK_LIMITS.bodyBytesMax,
      forget: ({ id }) => void this.#byId.delete(id),
      release: (stream) => void this.#alive.delete(stream),
    }
  }

  /** streams whose end has not come */
  get count(): number {
    return this.#byId.size
  }

  /** Streams that still have something to do here, also when the node is done with them. */
  get isIdle(): boolean {
    return this.#alive.size === 0
  }

  /** bytes that wait here: answers for their readers, bodies for the node */
  get heldBytes(): { readonly answers: number; readonly bodies: number } {
    return { answers: this.#answerBytes, bodies: this.#bodyBytes }
  }

  /** Whether one more stream may be opened now. */
  get hasRoom(): boolean {
    const { streamsMax } = this.#needs
    return this.#byId.size < Math.min(streamsMax, LINK.streamsMax) && this.#answerBytes < LINK_LIMITS.openBytesMax
  }

  /** Whether a new link is needed, because this one has given every id. A link opens a thousand streams a second for 49 days. */
  get isUsedUp(): boolean {
    return this.#nextId > ID_MAX
  }

  /** Sends OPEN. Who asks has asked {@link hasRoom}. */
  open(open: OpenFrame): LinkStream {
    if (this.#nextId === this.#idsEnd) {
      this.#nextId = this.#needs.nextIds()
      this.#idsEnd = this.#nextId + LINK_LIMITS.idBlock
    }
    const stream = new LinkStream(this.#nextId++, this.#house)
    this.#byId.set(stream.id, stream)
    this.#alive.add(stream)
    this.#needs.send(encodeJson(FRAME.open, stream.id, open))
    return stream
  }

  /** One message of the node. @returns false when it breaks a rule: the link is to be closed */
  receive(message: Uint8Array): boolean {
    const decoded = decodeFrame(message)
    if (!decoded.ok) return false
    const frame = decoded.value
    if (frame.type === FRAME.drain) {
      if (jsonOf(frame, DrainFrame) === null) return false
      this.#needs.onDrain()
      return true
    }
    const stream = this.#byId.get(frame.stream)
    // Of a forgotten stream anything may still come; of one that never was, nothing can.
    return stream ? stream.receive(frame) : frame.type !== FRAME.open && frame.stream < this.#nextId
  }

  /** The link is gone: every reader learns it. */
  lose(): void {
    for (const stream of [...this.#alive]) stream.lose()
  }

  #holdAnswer(bytes: number): void {
    this.#answerBytes += bytes
    if (bytes <= 0 || this.#answerBytes <= LINK_LIMITS.answerBytesMax) return
    let slowest: LinkStream | null = null
    for (const stream of this.#alive) if (stream.answerHeld > (slowest?.answerHeld ?? 0)) slowest = stream
    slowest?.cancel('too_slow')
  }

  #holdBody(bytes: number): void {
    const wasFull = this.#bodyBytes >= LINK_LIMITS.bodyBytesMax
    this.#bodyBytes += bytes
    if (wasFull && this.#bodyBytes < LINK_LIMITS.bodyBytesMax) for (const stream of this.#alive) stream.wake()
  }
}

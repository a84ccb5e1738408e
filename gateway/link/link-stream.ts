// One call on a link, as the gateway sees it: what may still be sent, what has come and waits, and how it ends. Knows nothing of sockets and timers;
// every method but the waiting ones works at once, so that frames are handled in the order in which they came. Held by streams.ts.
import {
  creditOf,
  encodeCredit,
  encodeFrame,
  FRAME,
  HeadFrame,
  jsonOf,
  LINK,
  RefuseFrame,
  type Frame,
} from '../../protocol/link.ts'
import { AnswerInbox } from './answer-inbox.ts'

/** What a node says to OPEN. */
export type StreamReply =
  { readonly kind: 'refused'; readonly refusal: RefuseFrame } | { readonly kind: 'head'; readonly head: HeadFrame }

/** Why a stream ended before its answer did. */
export type StreamEnd =
  /** the caller, or who speaks for it */
  | 'cancelled'
  /** the node did not accept in time */
  | 'unaccepted'
  /** the node took its answer back */
  | 'broken_off'
  /** the link is gone */
  | 'link_lost'
  /** its reader was too slow for what came */
  | 'too_slow'

export class StreamBroken extends Error {
  override readonly name = 'StreamBroken'
  constructor(readonly why: StreamEnd) {
    super(`a stream of a link ended: ${why}`)
  }
}

/** What a stream needs of its link. */
export interface StreamHouse {
  send(frame: Uint8Array): void
  /** bytes that wait here for readers; negative: taken */
  holdAnswer(bytes: number): void
  /** bytes on their way to the node; negative: taken */
  holdBody(bytes: number): void
  mayHoldBody(): boolean
  /** no frame of it is expected any more */
  forget(stream: LinkStream): void
  /** and no byte of it is held any more */
  release(stream: LinkStream): void
}

type Phase = 'opened' | 'accepted' | 'answering' | 'answered'

export class LinkStream {
  readonly id: number
  readonly #house: StreamHouse
  #phase: Phase = 'opened'
  #reply: StreamReply | null = null
  #failure: StreamBroken | null = null
  /** bytes we may send */
  #credit: number = LINK.windowBytes
  /** bytes sent and not known to be taken */
  #bodyHeld = 0
  #isBodySent = false
  readonly #inbox: AnswerInbox
  /** everybody who waits, to look again */
  #waiting: (() => void)[] = []

  constructor(id: number, house: StreamHouse) {
    this.id = id
    this.#house = house
    this.#inbox = new AnswerInbox((bytes) => house.holdAnswer(bytes))
  }

  get isAccepted(): boolean {
    return this.#phase !== 'opened' || this.#reply !== null
  }

  get answerHeld(): number {
    return this.#inbox.held
  }

  /** ACCEPT, or a refusal. @throws StreamBroken */
  async accepted(): Promise<void> {
    await this.#until(() => this.isAccepted)
  }

  /** HEAD, or a refusal. @throws StreamBroken */
  async reply(): Promise<StreamReply> {
    await this.#until(() => this.#reply !== null)
    if (this.#reply === null) throw new StreamBroken('cancelled')
    return this.#reply
  }

  /** What has come of the answer, at least a byte of it; null at its end. Asking for more says that what was given is taken. @throws StreamBroken */
  async read(): Promise<Uint8Array | null> {
    this.#settleRead()
    if (this.#failure !== null && this.#inbox.isEmpty) this.#discard()
    // An answer whose rest was thrown away has no end, also when its last frame had come.
    await this.#until(() => !this.#inbox.isEmpty || (this.#phase === 'answered' && this.#failure === null))
    if (!this.#inbox.isEmpty) return this.#inbox.take()
    if (this.#failure !== null) throw this.#failure
    this.#house.release(this)
    return null
  }

  /** Sends a part of the body as credit comes. @returns false when nobody wants the rest */
  async write(bytes: Uint8Array): Promise<boolean> {
    const mayGo = () => this.#isOver() || (this.#credit > 0 && this.#house.mayHoldBody())
    let offset = 0
    while (offset < bytes.byteLength) {
      // Looked at again after the wait: others were woken too, and may have taken the room.
      if (!mayGo()) {
        await this.#until(mayGo)
        continue
      }
      if (this.#isOver()) return false
      const size = Math.min(this.#credit, LINK.frameBytes, bytes.byteLength - offset)
      this.#house.send(encodeFrame(FRAME.data, this.id, bytes.subarray(offset, offset + size)))
      this.#credit -= size
      this.#bodyHeld += size
      this.#house.holdBody(size)
      offset += size
    }
    return !this.#isOver()
  }

  endBody(): void {
    if (this.#isOver() || this.#isBodySent) return
    this.#isBodySent = true
    this.#house.send(encodeFrame(FRAME.end, this.id))
  }

  /** Ends it from this side: the node is told, the reader learns why. After the end it only throws away what waits. */
  cancel(why: StreamEnd): void {
    if (!this.#isOver()) this.#house.send(encodeFrame(FRAME.cancel, this.id))
    this.#discard()
    if (this.#failure === null) this.#fail(why)
  }

  /** The link is gone. What had come may still be read; then the reader learns that it is not all. */
  lose(): void {
    if (!this.#isOver()) this.#fail('link_lost')
  }

  /** @returns false when the frame breaks a rule */
  receive(frame: Frame): boolean {
    switch (frame.type) {
      case FRAME.accept:
        return this.#phase === 'opened' && isBare(frame) && this.#enter('accepted')
      case FRAME.refuse:
        return this.#refuse(frame)
      case FRAME.head:
        return this.#head(frame)
      case FRAME.data:
        return this.#data(frame)
      case FRAME.end:
        return this.#end(frame)
      case FRAME.cancel:
        this.#fail('broken_off')
        return isBare(frame)
      case FRAME.credit:
        return this.#grant(frame)
      // The gateway alone opens streams, and a stream does not drain.
      case FRAME.open:
      case FRAME.drain:
        return false
    }
    return frame.type satisfies never
  }

  /** Something that somebody waits for may have come. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const look of waiting) look()
  }

  #refuse(frame: Frame): boolean {
    const refusal = this.#phase === 'opened' ? jsonOf(frame, RefuseFrame) : null
    if (refusal === null) return false
    this.#reply = { kind: 'refused', refusal }
    this.#leave()
    this.#house.release(this)
    return this.#enter('answered')
  }

  #head(frame: Frame): boolean {
    const head = this.#phase === 'accepted' ? jsonOf(frame, HeadFrame) : null
    if (head === null) return false
    this.#reply = { kind: 'head', head }
    // Who answers has read the question: short bodies are never granted again.
    if (this.#isBodySent) this.#takeBody(this.#bodyHeld)
    return this.#enter('answering')
  }

  #data({ payload }: Frame): boolean {
    if (this.#phase !== 'answering' || !this.#inbox.mayTake(payload.byteLength)) return false
    if (payload.byteLength === 0) return true
    // The house may find that this stream is the one too many, and end it here.
    this.#inbox.add(payload)
    this.wake()
    return true
  }

  #end(frame: Frame): boolean {
    if (this.#phase !== 'answering' || !isBare(frame)) return false
    if (!this.#isBodySent) this.#house.send(encodeFrame(FRAME.cancel, this.id))
    this.#leave()
    return this.#enter('answered')
  }

  #grant(frame: Frame): boolean {
    const bytes = creditOf(frame)
    if (bytes === null || this.#credit + bytes > LINK.windowBytes) return false
    this.#credit += bytes
    this.#takeBody(Math.min(bytes, this.#bodyHeld))
    this.wake()
    return true
  }

  #enter(phase: Phase): true {
    this.#phase = phase
    this.wake()
    return true
  }

  /** What had come may still be read, and counts until it is: a node could fill this memory by answers that it breaks off. */
  #fail(why: StreamEnd): void {
    this.#failure = new StreamBroken(why)
    this.#leave()
    if (this.#inbox.held === 0) this.#house.release(this)
    this.wake()
  }

  #discard(): void {
    this.#inbox.discard()
    this.#house.release(this)
  }

  #leave(): void {
    this.#takeBody(this.#bodyHeld)
    this.#house.forget(this)
  }

  #settleRead(): void {
    this.#inbox.settle()
    if (this.#phase !== 'answering' || this.#failure !== null) return
    const bytes = this.#inbox.grant()
    if (bytes > 0) this.#house.send(encodeCredit(this.id, bytes))
  }

  #takeBody(bytes: number): void {
    this.#bodyHeld -= bytes
    this.#house.holdBody(-bytes)
  }

  #isOver(): boolean {
    return this.#phase === 'answered' || this.#failure !== null
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure) throw this.#failure
      await new Promise<void>((look) => this.#waiting.push(look))
    }
  }
}

const isBare = ({ payload }: Frame): boolean => payload.byteLength === 0

// One socket of a node while its guard is awake: its streams, and what is known of it. The guard may fall asleep between two events, so everything that
// must outlive that is written into the socket's attachment as it changes.
import type { Instant } from '../../../protocol/units.ts'
import { LINK_LIMITS } from '../../link/limits.ts'
import { sendQuietly } from '../../link/link-socket.ts'
import { Streams } from '../../link/streams.ts'
import type { LinkOffer } from './link-offer.ts'

/** What is known of a socket, kept with it. */
export interface Attachment extends Omit<LinkOffer, 'isShown'> {
  readonly linkedAt: Instant
  /** of the next block of ids: a guard that was asleep must not give one twice */
  readonly nextId: number
  /** the node takes no new calls */
  readonly isDraining: boolean
}

export class StandingLink {
  readonly socket: WebSocket
  readonly streams: Streams
  #about: Attachment

  constructor(socket: WebSocket, about: Attachment) {
    this.socket = socket
    this.#about = about
    this.streams = new Streams({
      send: (frame) => sendQuietly(socket, frame),
      onDrain: () => this.drains(),
      streamsMax: about.streamsMax,
      nextIds: () => this.#nextIds(),
    })
  }

  get about(): Attachment {
    return this.#about
  }

  drains(): void {
    if (!this.#about.isDraining) this.#keep({ isDraining: true })
  }

  #nextIds(): number {
    const { nextId } = this.#about
    this.#keep({ nextId: nextId + LINK_LIMITS.idBlock })
    return nextId
  }

  #keep(change: Partial<Attachment>): void {
    this.#about = { ...this.#about, ...change }
    this.socket.serializeAttachment(this.#about)
  }
}

/** The newest socket that is open, as a guard that wakes up finds it. */
export function standingLink(context: DurableObjectState): StandingLink | null {
  const found = context
    .getWebSockets()
    .filter(({ readyState }) => readyState === WebSocket.OPEN)
    // Written above and by nobody else.
    .map((socket) => ({ socket, about: socket.deserializeAttachment() as Attachment }))
    .sort((a, b) => b.about.linkedAt - a.about.linkedAt)[0]
  return found ? new StandingLink(found.socket, found.about) : null
}

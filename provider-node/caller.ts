// Who waits for an answer, whatever it goes over: an HTTP connection or a stream of the link. A call asks two things only: to be told when
// nobody waits any more, and that an answer which breaks off never looks like a finished one.
import type { EventEmitter } from 'node:events'

export interface Caller {
  /** Told once, when the caller is gone. @param listener whether it was handed the whole answer */
  onGone(listener: (isServed: boolean) => void): void
  /** Ends the connection without ending the answer. */
  breakOff(): void
}

/** What the HTTP server knows of an answer. The socket itself is asked: a request's own signal also fires for reasons that are not the caller's. */
type Outgoing = EventEmitter & { readonly writableFinished: boolean; destroy(): unknown }

export const httpCaller = (outgoing: Outgoing): Caller => ({
  onGone: (listener) => void outgoing.once('close', () => listener(outgoing.writableFinished)),
  breakOff: () => void outgoing.destroy(),
})

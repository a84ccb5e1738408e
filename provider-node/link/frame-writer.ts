// What goes out on a link's socket. Data waits for its turn while the socket's buffer is full, so that a slow line fills no memory, and its
// frames are made only when they go; small control frames go at once, up to a ceiling that no honest reader reaches.
import { LINK } from '../../protocol/link.ts'
import { LINK_LIMITS } from './link-limits.ts'

/** Of a WebSocket: what writing needs. */
export interface FrameSocket {
  readonly bufferedAmount: number
  send(data: Uint8Array, sent: () => void): void
}

export interface FrameWriter {
  /** Goes out before any data that waits. */
  control(frame: Uint8Array): void
  /** Resolves when the frame was handed to the socket, or when it is not wanted any more. @param encode null: not wanted any more */
  data(encode: () => Uint8Array | null): Promise<void>
  /** Nothing goes out any more, and nobody waits. */
  close(): void
}

interface Waiting {
  readonly encode: () => Uint8Array | null
  readonly done: () => void
}

/** @param needs.overflow told once, when the other side takes nothing and asks for more @param needs.count bytes that go out */
export function createFrameWriter(
  socket: FrameSocket,
  needs: { overflow: () => void; count: (bytes: number) => void },
): FrameWriter {
  const waiting: Waiting[] = []
  let isClosed = false

  function write(frame: Uint8Array): void {
    needs.count(frame.byteLength)
    socket.send(frame, pump)
  }

  /** One frame per turn and stream: whoever has more waits behind the others. */
  function pump(): void {
    while (!isClosed && socket.bufferedAmount < LINK.bufferedBytes) {
      const next = waiting.shift()
      if (!next) return
      const frame = next.encode()
      if (frame) write(frame)
      next.done()
    }
  }

  return {
    control(frame) {
      if (isClosed) return
      write(frame)
      if (socket.bufferedAmount <= LINK_LIMITS.backlogBytes) return
      isClosed = true
      needs.overflow()
    },
    data: (encode) =>
      new Promise((done) => {
        if (isClosed) return done()
        waiting.push({ encode, done })
        pump()
      }),
    close() {
      isClosed = true
      for (const { done } of waiting.splice(0)) done()
    },
  }
}

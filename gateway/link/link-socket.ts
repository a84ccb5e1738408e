// A WebSocket that may be gone at any moment, which is no error: whoever holds it learns of it by its close event.
import { LINK_LIMITS } from './limits.ts'

/** A socket that is closing says so by an event. */
export function sendQuietly(socket: WebSocket, bytes: Uint8Array): void {
  try {
    socket.send(bytes)
  } catch {
    // Its close is under way, and every stream learns of it there.
  }
}

export function closeQuietly(socket: WebSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason.slice(0, LINK_LIMITS.reasonCharacters))
  } catch {
    // It was closed already.
  }
}

// What has come of one answer and waits for its reader: which bytes the node may still send, what they cost here, and when it may send more. It grants
// only what the reader has really taken: a chunk counts as waiting until the reader asks for the next one.
import { LINK } from '../../protocol/link.ts'
import { LINK_LIMITS } from './limits.ts'

export class AnswerInbox {
  readonly #hold: (bytes: number) => void
  #parts: Uint8Array[] = []
  /** bytes the node may still send */
  #window: number = LINK.windowBytes
  /** as `hold` was told: payloads, what their frames cost, the chunk under the reader's eyes */
  #held = 0
  /** bytes of that chunk */
  #reading = 0
  /** bytes the reader has taken since the last grant */
  #taken = 0

  /** @param hold hears of every byte that waits here, and with a minus of every one that no longer does */
  constructor(hold: (bytes: number) => void) {
    this.#hold = hold
  }

  get held(): number {
    return this.#held
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0
  }

  mayTake(bytes: number): boolean {
    return bytes <= this.#window
  }

  add(payload: Uint8Array): void {
    this.#window -= payload.byteLength
    this.#parts.push(payload)
    this.#count(payload.byteLength + LINK_LIMITS.frameCost)
  }

  /** Everything that waits, as one chunk. */
  take(): Uint8Array {
    const chunk = joined(this.#parts)
    this.#parts = []
    this.#reading = chunk.byteLength
    if (this.#held > 0) this.#count(chunk.byteLength - this.#held)
    return chunk
  }

  /** The reader is done with its chunk. */
  settle(): void {
    if (this.#held > 0) this.#count(-this.#reading)
    this.#taken += this.#reading
    this.#reading = 0
  }

  /** @returns bytes to grant the node now; 0: not worth a frame yet */
  grant(): number {
    if (this.#taken < LINK.grantBytes) return 0
    const bytes = this.#taken
    this.#window += bytes
    this.#taken = 0
    return bytes
  }

  discard(): void {
    this.#parts = []
    this.#count(-this.#held)
  }

  #count(bytes: number): void {
    this.#held += bytes
    this.#hold(bytes)
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  if (only && parts.length === 1) return only
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}

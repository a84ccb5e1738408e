// What is asked and what must be answered, all of it drawn from a seed: the node makes its answer from the sha256 of the question it has really got, and who asked makes
// the same one to compare. A byte that is lost, doubled or somebody else's, on the way there or back, makes another answer.
import { createCipheriv, createHash } from 'node:crypto'
import { seededRandom } from '../../provider-node/engines/sampling.ts'

export interface Asking {
  readonly question: Buffer
  /** ms after which it is cancelled; null: it is not */
  readonly cancelMs: number | null
  /** ms of a pause after each read; 0: none */
  readonly pauseMs: number
}

export interface Answering {
  readonly bytes: number
  /** bytes of one piece at most: the pieces have every size up to it */
  readonly pieceBytesMax: number
  /** ms of a pause after some pieces; 0: none */
  readonly pauseMs: number
  /** ms of a pause after each part of the question that is read; 0: none */
  readonly readMs: number
}

const QUESTION_BYTES_MAX = 2_000_000
const ANSWER_BYTES_MAX = 4_000_000
/** Every fourth one may have any size, evenly by its number of digits; the others are of a chat's sizes. */
const CHAT_BYTES_MAX = 65_536
const LARGE_SHARE = 0.25
const CANCELLED_SHARE = 0.15
const SLOW_SHARE = 0.1
/** ms within which a cancel falls: before the first byte, in the middle, or too late */
const CANCEL_MS = 300

export function askingOf(seed: number, index: number): Asking {
  const random = seededRandom(seed * 1_000_003 + index)
  const question = keystream(sha256(Buffer.from(`${seed} ${index}`)))(sizeOf(random, QUESTION_BYTES_MAX))
  return {
    question,
    cancelMs: random() < CANCELLED_SHARE ? CANCEL_MS * random() ** 2 : null,
    pauseMs: random() < SLOW_SHARE ? 1 + Math.floor(random() * 15) : 0,
  }
}

/** @param key sha256 of the question */
export function answeringOf(key: Buffer): Answering {
  const random = seededRandom(key.readUInt32BE(0))
  const bytes = sizeOf(random, ANSWER_BYTES_MAX)
  // A whole answer in pieces of one byte, when it is short; no more than some hundred pieces, when it is long.
  const pieceBytesMax = Math.max(1, Math.ceil((bytes * random()) / 8), Math.ceil(bytes / 200))
  return {
    bytes,
    pieceBytesMax,
    pauseMs: random() < SLOW_SHARE ? 1 + Math.floor(random() * 10) : 0,
    readMs: random() < SLOW_SHARE ? 1 + Math.floor(random() * 10) : 0,
  }
}

/** @returns the next so many bytes of a stream that no other key has */
export function keystream(key: Buffer): (bytes: number) => Buffer {
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  return (bytes) => cipher.update(Buffer.alloc(bytes))
}

export const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

function sizeOf(random: () => number, largest: number): number {
  const most = random() < LARGE_SHARE ? largest : CHAT_BYTES_MAX
  return Math.floor(most ** random())
}

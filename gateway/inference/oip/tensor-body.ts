// An answer in tensors on its way out: a short one whole and with its length, of a longer one each piece when it is taken, because the text of
// its tensors may be more than an isolate can hold. And what of it is kept for who repeats the request.
import { base64url, concatBytes } from '../../../protocol/canonical.ts'
import { HEADER_LENGTH, type WrittenBody } from '../../../protocol/oip-framing.ts'
import { bodyInit } from '../../core/body-init.ts'
import { IDEMPOTENCY } from '../../core/limits.ts'
import { keptHeaders } from '../idempotency/idempotent.ts'
import type { KeptAnswer } from '../idempotency/replay.ts'
import type { Order } from '../order/order.ts'
import type { CapturedCall } from '../settle/settle.ts'

/** bytes of an answer that is sent in one piece */
const WHOLE_BYTES = 1024 * 1024

export function bodyOf({ pieces }: WrittenBody): BodyInit {
  const whole = wholeUpTo(WHOLE_BYTES, pieces)
  return whole ? bodyInit(whole) : streamOf(pieces)
}

export const formHeaders = ({ headerLength }: WrittenBody): Record<string, string> =>
  headerLength === null
    ? { 'content-type': 'application/json' }
    : { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(headerLength) }

/** Null when it is too long to be kept. */
export function keepTensors(call: CapturedCall<unknown>, order: Order, written: WrittenBody): KeptAnswer | null {
  const body = wholeUpTo(IDEMPOTENCY.keptBytes, written.pieces)
  if (!body) return null
  const { 'content-type': type = '', ...form } = formHeaders(written)
  return { headers: { ...keptHeaders(call, order), ...form }, type, bytes: base64url(body) }
}

/** All of it, or null when there is more than that. */
function wholeUpTo(bytesMax: number, pieces: Iterable<Uint8Array>): Uint8Array | null {
  const parts: Uint8Array[] = []
  let size = 0
  for (const piece of pieces) {
    size += piece.byteLength
    if (size > bytesMax) return null
    parts.push(piece)
  }
  return concatBytes(...parts)
}

function streamOf(pieces: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const left = pieces[Symbol.iterator]()
  return new ReadableStream({
    pull(controller) {
      const next = left.next()
      if (next.done) controller.close()
      else controller.enqueue(next.value)
    },
  })
}

// What is kept of a call's answer, and the same answer again: JSON word for word; a stream with each choice's text in one piece and then its own
// last chunks. Only whole answers are kept: a cut one must never look complete, whoever asks how often.
import { z } from 'zod'
import { fromBase64url } from '../../../protocol/canonical.ts'
import { encodeSse } from '../../../protocol/sse.ts'
import { IDEMPOTENCY } from '../../core/limits.ts'
import type { TextPiece } from '../text/choices.ts'

const Headers = z.record(z.string(), z.string())
/** `headers` are those of the answer that only its call knew. */
export const KeptAnswer = z.union([
  z.object({ headers: Headers, reply: z.looseObject({}) }),
  z.object({ headers: Headers, chunks: z.array(z.looseObject({})).min(1) }),
  /** tensors, whose bytes are the answer also where they are JSON: as a parsed object, its 64-bit integers would be others */
  z.object({ headers: Headers, type: z.string(), bytes: z.base64url() }),
])
export type KeptAnswer = z.infer<typeof KeptAnswer>

/** The text of a stream on its way to the caller, as far as it can be kept: of a longer one nothing is held on to. */
export class DeliveredText {
  /** by choice, in the order in which they began; null when it was too long */
  #pieces: Map<number, TextPiece[]> | null = new Map()
  #size = 0

  add(piece: TextPiece): void {
    this.#size += leastBytes(piece)
    if (this.#size > IDEMPOTENCY.keptBytes) this.#pieces = null
    const before = this.#pieces?.get(piece.choice)
    if (before) before.push(piece)
    else this.#pieces?.set(piece.choice, [piece])
  }

  /** One piece for each choice that has text. Null when the text was too long. */
  joined(): TextPiece[] | null {
    return this.#pieces && [...this.#pieces.values()].map(join)
  }
}

const join = (pieces: readonly TextPiece[]): TextPiece => ({
  choice: pieces[0]?.choice ?? 0,
  text: pieces.map(({ text }) => text).join(''),
  logprobs: pieces[0]?.logprobs ? pieces.flatMap(({ logprobs }) => logprobs ?? []) : null,
  offset: 0,
})

/** No text has fewer bytes than characters, and no token's log probability is told in fewer than its name and value take. */
const leastBytes = ({ text, logprobs }: TextPiece): number => text.length + (logprobs?.length ?? 0) * TOKEN_BYTES

/** bytes of `"",0,0,` beside a token's own text: less than any form of it has */
const TOKEN_BYTES = 7

/** The body of an answer that is given again, and its media type. */
export function bodyOf(kept: KeptAnswer): { readonly type: string; readonly body: string | Uint8Array } {
  if ('bytes' in kept) return { type: kept.type, body: fromBase64url(kept.bytes) }
  if ('reply' in kept) return { type: 'application/json', body: JSON.stringify(kept.reply) }
  const events = [...kept.chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]']
  return { type: 'text/event-stream; charset=utf-8', body: events.map((event) => encodeSse(event)).join('') }
}

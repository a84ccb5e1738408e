// What is kept of a call's answer, and the same answer again: JSON word for word; a stream with its text in one piece and then its own last
// chunks. Only whole answers are kept: a cut one must never look complete, whoever asks how often.
import { z } from 'zod'
import { encodeSse } from '../../protocol/sse.ts'
import type { ChatChunk } from '../../protocol/openai.ts'
import { IDEMPOTENCY } from '../core/limits.ts'

const Headers = z.record(z.string(), z.string())
const Chunk = z.looseObject({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.number(),
  model: z.string(),
})
/** `headers` are those of the answer that only its call knew. */
export const KeptAnswer = z.union([
  z.object({ headers: Headers, reply: z.looseObject({}) }),
  z.object({ headers: Headers, content: z.string(), last: z.tuple([Chunk], Chunk) }),
])
export type KeptAnswer = z.infer<typeof KeptAnswer>

/** The text of a stream on its way to the caller, as far as it can be kept: of a longer one nothing is held on to. */
export class DeliveredText {
  #parts: string[] | null = []
  #length = 0

  add(text: string): void {
    this.#length += text.length
    // No text has fewer bytes than characters.
    if (this.#length > IDEMPOTENCY.keptBytes) this.#parts = null
    this.#parts?.push(text)
  }

  /** @param last the finish chunk, and what follows it. Null when the text was too long. */
  kept(headers: Record<string, string>, last: readonly ChatChunk[]): KeptAnswer | null {
    const [finish, ...others] = last
    return this.#parts && finish ? { headers, content: this.#parts.join(''), last: [finish, ...others] } : null
  }
}

/** The body of an answer that is given again, and its media type. */
export function bodyOf(kept: KeptAnswer): { readonly type: string; readonly body: string } {
  if ('reply' in kept) return { type: 'application/json', body: JSON.stringify(kept.reply) }
  const [{ id, object, created, model }] = kept.last
  const delta = { role: 'assistant', content: kept.content }
  const text = { id, created, model, object, choices: [{ index: 0, delta, finish_reason: null }] }
  const events = [...[text, ...kept.last].map((chunk) => JSON.stringify(chunk)), '[DONE]']
  return { type: 'text/event-stream; charset=utf-8', body: events.map((event) => encodeSse(event)).join('') }
}

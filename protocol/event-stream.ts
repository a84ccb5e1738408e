// A streamed answer, as its caller reads it: each event's JSON as it comes, until `[DONE]`. An answer that broke off never passes for a whole one:
// an event of an error, and an end without `[DONE]`, are thrown.
import { soukErrorOf } from './refusal.ts'
import { SoukError } from './souk-error.ts'
import { SseDecoder } from './sse.ts'

/** what ends a whole answer */
const DONE = '[DONE]'

/** Leaving the loop cancels the body, and with it the call. @throws SoukError with the code that ended it, or `cut_off` */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<unknown, void> {
  const decoder = new SseDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) throw new SoukError(0, 'cut_off', 'The answer ended before it was complete.', null)
      for (const { data } of decoder.push(value)) {
        if (data === DONE) return
        const event = eventOf(data)
        const error = soukErrorOf(0, event)
        if (error) throw error
        yield event
      }
    }
  } finally {
    // Of a body that ended this does nothing; one that failed has failed already.
    await reader.cancel().catch(() => undefined)
  }
}

function eventOf(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    throw new SoukError(0, 'unreadable_reply', 'The answer has an event that is no JSON.', null)
  }
}

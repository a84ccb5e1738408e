// Server-sent events (WHATWG HTML, section 9.2.6), both ways. The decoder is incremental and bounded: how the bytes are cut never
// changes the events, and a node that never ends a line is refused instead of filling memory.

/** One event. `data` is the joined data lines; `event` is empty for an ordinary message. */
export interface SseEvent {
  readonly event: string
  readonly data: string
}

/** Longest event a peer may send, in UTF-16 units of line and data buffers together. */
export const SSE_EVENT_MAX = 1_048_576

export class SseOverflow extends Error {
  override readonly name = 'SseOverflow'
}

/** `data:` lines and the blank line that dispatches them. Line ends inside `data` become further data lines. */
export function encodeSse(data: string, event = ''): string {
  const name = event ? `event: ${event}\n` : ''
  return `${name}${data
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join('')}\n`
}

/** A comment: keeps a silent connection open and is ignored by every client. */
export const encodeSseComment = (text: string): string => `: ${text.replace(/[\r\n]/g, ' ')}\n\n`

/**
 * Feed chunks as they come; each call returns the events they complete. There is no end(): an event without its blank line is
 * never dispatched, as the standard says.
 * @throws SseOverflow when one event passes `eventMax`; the decoder is of no use afterwards, and events of that chunk are lost
 */
export class SseDecoder {
  // A stream has one leading BOM at most: TextDecoder strips exactly that one.
  readonly #text = new TextDecoder()
  readonly #eventMax: number
  #line: string[] = []
  #lineLength = 0
  #data: string[] = []
  #dataLength = 0
  #event = ''
  #skipLineFeed = false

  constructor(eventMax: number = SSE_EVENT_MAX) {
    this.#eventMax = eventMax
  }

  push(bytes: Uint8Array): SseEvent[] {
    const text = this.#text.decode(bytes, { stream: true })
    const events: SseEvent[] = []
    let start = 0
    if (this.#skipLineFeed && text.length > 0) {
      if (text[0] === '\n') start = 1
      this.#skipLineFeed = false
    }
    for (let end = nextLineEnd(text, start); end >= 0; end = nextLineEnd(text, start)) {
      this.#append(text.slice(start, end))
      const dispatched = this.#endLine()
      if (dispatched) events.push(dispatched)
      start = end + 1
      if (text[end] === '\r') {
        if (start === text.length) this.#skipLineFeed = true
        else if (text[start] === '\n') start += 1
      }
    }
    this.#append(text.slice(start))
    return events
  }

  #append(part: string): void {
    if (part === '') return
    this.#line.push(part)
    this.#lineLength += part.length
    if (this.#lineLength + this.#dataLength > this.#eventMax)
      throw new SseOverflow(`an event is longer than ${this.#eventMax}`)
  }

  #endLine(): SseEvent | null {
    const line = this.#line.length === 1 ? (this.#line[0] ?? '') : this.#line.join('')
    this.#line = []
    this.#lineLength = 0
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return null
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') this.#event = value
    if (field === 'data') {
      this.#data.push(value)
      this.#dataLength += value.length + 1
    }
    return null
  }

  #dispatch(): SseEvent | null {
    const event = this.#data.length > 0 ? { event: this.#event, data: this.#data.join('\n') } : null
    this.#data = []
    this.#dataLength = 0
    this.#event = ''
    return event
  }
}

/** One pass over the text: two `indexOf` would rescan a chunk without `\r` for each of its lines. */
function nextLineEnd(text: string, from: number): number {
  const lineEnd = /[\r\n]/g
  lineEnd.lastIndex = from
  return lineEnd.exec(text)?.index ?? -1
}

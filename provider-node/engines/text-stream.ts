// From the bytes of tokens to text that may be shown: a character appears when all its bytes are there, and text that could be the
// beginning of a stop sequence waits until it is known. How the bytes are cut into tokens never changes the text.

export interface TextPart {
  readonly text: string
  /** a stop sequence is complete: neither it nor anything behind it is ever given out */
  readonly stopped: boolean
}

export class TextStream {
  // A leading U+FEFF is part of the answer, not a byte order mark.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  readonly #stops: readonly string[]
  #held = ''
  #stopped = false

  constructor(stops: readonly string[]) {
    this.#stops = stops.map(wellFormed).filter((stop) => stop !== '')
  }

  /** @returns what can be shown now; empty after a stop */
  push(bytes: Uint8Array): TextPart {
    if (this.#stopped) return { text: '', stopped: true }
    this.#held += this.#decoder.decode(bytes, { stream: true })
    const end = firstStop(this.#held, this.#stops)
    if (end !== null) {
      this.#stopped = true
      return { text: this.#held.slice(0, end), stopped: true }
    }
    const keep = possibleStop(this.#held, this.#stops)
    const text = this.#held.slice(0, this.#held.length - keep)
    this.#held = this.#held.slice(text.length)
    return { text, stopped: false }
  }

  /** What was held back and turned out to be no stop sequence. A character that was cut off by the end of the answer is left out. */
  end(): string {
    return this.#stopped ? '' : this.#held
  }
}

/** Where the stop sequence begins that is complete first; of those that end together, the longest. */
function firstStop(text: string, stops: readonly string[]): number | null {
  let found: { start: number; end: number } | null = null
  for (const stop of stops) {
    const start = text.indexOf(stop)
    if (start < 0) continue
    const end = start + stop.length
    if (!found || end < found.end || (end === found.end && start < found.start)) found = { start, end }
  }
  return found?.start ?? null
}

/** Length of the longest end of `text` with which some stop sequence begins. */
function possibleStop(text: string, stops: readonly string[]): number {
  let longest = 0
  for (const stop of stops)
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--)
      if (text.endsWith(stop.slice(0, length))) longest = length
  return longest
}

/** Half a surrogate pair can never occur in decoded text, and must not cut a pair: it becomes U+FFFD. */
const wellFormed = (text: string): string => new TextDecoder().decode(new TextEncoder().encode(text))

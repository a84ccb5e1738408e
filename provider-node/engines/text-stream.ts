// From the bytes of tokens to text that may be shown: a character appears when all its bytes are there, and text that could be the
// beginning of a stop sequence waits until it is known. How the bytes are cut into tokens never changes the text.

export interface TextPart {
  readonly text: string
  /** a stop sequence is complete: neither it nor anything behind it is ever given out */
  readonly stopped: boolean
  /** how many of the pushed parts, counted from the first, have been given out whole: their text, all of it, stands in some `text` */
  readonly wholeParts: number
}

export class TextStream {
  readonly #stops: readonly string[]
  /** the beginning of a character whose other bytes are to come */
  #bytes: Uint8Array = new Uint8Array()
  /** decoded, not given out */
  #held: string
  /** so many characters at the front of `#held` were given out by whoever began the answer */
  #before: number
  /** characters given out and held, of this answer */
  #shown = 0
  #decoded = 0
  /** of parts that are not given out whole: the characters that must be given out for them to be */
  #partEnds: number[] = []
  #wholeParts = 0
  #stopped = false

  /** @param prefix text of the answer that was given out before: a stop sequence may have begun in it, and is never given out again */
  constructor(stops: readonly string[], prefix = '') {
    this.#stops = stops.map(wellFormed).filter((stop) => stop !== '')
    this.#before = possibleStop(prefix, this.#stops)
    this.#held = prefix.slice(prefix.length - this.#before)
  }

  /** @returns what can be shown now; empty after a stop */
  push(bytes: Uint8Array): TextPart {
    if (this.#stopped) return this.#give(0)
    const text = this.#decode(bytes)
    this.#held += text
    this.#decoded += text.length
    // A character is given out whole, so its first unit stands for all of it.
    this.#partEnds.push(this.#decoded + (this.#bytes.length > 0 ? 1 : 0))
    const end = firstStop(this.#held, this.#stops)
    this.#stopped = end !== null
    return this.#give(end ?? this.#held.length - possibleStop(this.#held, this.#stops))
  }

  /** What was held back and turned out to be no stop sequence. A character that was cut off by the end of the answer is left out. */
  end(): TextPart {
    return this.#give(this.#stopped ? 0 : this.#held.length)
  }

  #give(length: number): TextPart {
    const text = this.#held.slice(Math.min(this.#before, length), length)
    this.#held = this.#held.slice(length)
    this.#before -= Math.min(this.#before, length)
    this.#shown += text.length
    const open = this.#partEnds.findIndex((end) => end > this.#shown)
    const whole = this.#partEnds.splice(0, open < 0 ? this.#partEnds.length : open)
    this.#wholeParts += whole.length
    return { text, stopped: this.#stopped, wholeParts: this.#wholeParts }
  }

  #decode(bytes: Uint8Array): string {
    const all = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    const whole = all.length - unfinished(all)
    this.#bytes = all.subarray(whole)
    return whole === 0 ? '' : decoder.decode(all.subarray(0, whole))
  }
}

// A leading U+FEFF is part of the answer, not a byte order mark.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Bytes at the end that begin a character without ending it: at most three. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte >= 0x80 && byte < 0xc0) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? back : 0
  }
  return 0
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

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TextStream } from '../../../provider-node/engines/text-stream.ts'

/** All that is shown of `bytes`, cut at `cuts`, and each part. */
function shown(
  bytes: Uint8Array,
  cuts: readonly number[],
  stops: readonly string[],
  prefix = '',
): { text: string; parts: string[] } {
  const stream = new TextStream(stops, prefix)
  const edges = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  const parts: string[] = []
  for (let index = 1; index < edges.length; index++) {
    const part = stream.push(bytes.subarray(edges[index - 1], edges[index]))
    parts.push(part.text)
    if (part.stopped) return { text: parts.join(''), parts }
  }
  parts.push(stream.end().text)
  return { text: parts.join(''), parts }
}

const utf8 = (text: string) => new TextEncoder().encode(text)
// Few letters and wide characters: stop sequences and cuts inside characters must really happen.
const someText = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '日', '😀', '😁', '\uFEFF'), maxLength: 40 })
const someStops = fc.array(
  fc.string({ unit: fc.constantFrom('a', 'b', 'é', '日', '😀'), minLength: 1, maxLength: 4 }),
  {
    maxLength: 4,
  },
)
const someCuts = fc.array(fc.nat(400), { maxLength: 60 })

/** Character by character: the first stop sequence that is complete ends the text, the longest of those that end together. */
function expected(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop))
    if (found.length > 0) return text.slice(0, end - Math.max(...found.map((stop) => stop.length)))
  }
  return text
}

describe('text from tokens', () => {
  it('is the same however the bytes are cut, and ends before the first stop sequence', () => {
    fc.assert(
      fc.property(someText, someStops, someCuts, (text, stops, cuts) => {
        expect(shown(utf8(text), cuts, stops).text).toBe(expected(text, stops))
      }),
      { numRuns: 2_000 },
    )
  })

  it('never shows half a character', () => {
    fc.assert(
      fc.property(someText, someStops, someCuts, (text, stops, cuts) => {
        for (const part of shown(utf8(text), cuts, stops).parts) {
          expect(part).not.toContain('\uFFFD')
          expect(Buffer.from(part).toString()).toBe(part)
        }
      }),
    )
  })

  it('shows nothing of a stop sequence before it is known to be none', () => {
    const stream = new TextStream(['END'])
    expect(stream.push(utf8('x E'))).toMatchObject({ text: 'x ', stopped: false })
    expect(stream.push(utf8('N'))).toMatchObject({ text: '', stopped: false })
    expect(stream.push(utf8('X'))).toMatchObject({ text: 'ENX', stopped: false })
    expect(stream.push(utf8('EN'))).toMatchObject({ text: '', stopped: false })
    expect(stream.push(utf8('D and more'))).toMatchObject({ text: '', stopped: true })
    expect(stream.push(utf8('never'))).toMatchObject({ text: '', stopped: true })
    expect(stream.end().text).toBe('')
  })

  it('leaves out a character that the end of the answer cut off', () => {
    const stream = new TextStream([])
    expect(stream.push(utf8('a😀').subarray(0, 3)).text).toBe('a')
    expect(stream.end().text).toBe('')
  })

  it('cuts no pair of surrogates when a stop sequence is half of one', () => {
    expect(shown(utf8('a😀b'), [], ['\ud83d']).text).toBe('a😀b')
  })

  it('turns what is no UTF-8 into U+FFFD, the same however it is cut', () => {
    const someBytes = fc.array(
      fc.constantFrom(0x61, 0x80, 0xbf, 0xc3, 0xa9, 0xe0, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0xff),
      { maxLength: 24 },
    )
    fc.assert(
      fc.property(someBytes, someCuts, (bytes, cuts) => {
        const whole = shown(Uint8Array.from(bytes), [], []).text
        expect(shown(Uint8Array.from(bytes), cuts, []).text).toBe(whole)
        // All of it but a last character that might still have been finished.
        expect(new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes)).startsWith(whole)).toBe(
          true,
        )
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('text behind a prefix', () => {
  it('ends where the whole answer would have ended, and gives out only what is new', () => {
    fc.assert(
      fc.property(someText, someStops, someCuts, fc.nat(40), (text, stops, cuts, at) => {
        const characters = [...expected(text, stops)]
        const prefix = characters.slice(0, at).join('')
        const rest = utf8(text.slice(prefix.length))
        expect(prefix + shown(rest, cuts, stops, prefix).text).toBe(expected(text, stops))
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['begins in it and ends behind it', 'Hello EN', 'D and more', ['END'], ''],
    ['begins in it and is none after all', 'Hello EN', 'TER', ['END'], 'TER'],
    ['stands wholly behind it', 'Hello EN', 'D', ['D'], ''],
    ['is the beginning of another one', 'xa', 'ab', ['aab', 'aa'], ''],
    ['is the end of another one', 'xaa', 'bc', ['aab', 'b'], ''],
  ])('ends the answer at a stop sequence that %s', (_, prefix, rest, stops, text) => {
    for (let cut = 0; cut <= rest.length; cut++) expect(shown(utf8(rest), [cut], stops, prefix).text).toBe(text)
  })
})

describe('the count of parts given out whole', () => {
  it('never counts a part before all its text is out, nor one that a stop sequence cut, and counts all others', () => {
    fc.assert(
      fc.property(fc.array(someText.map(utf8), { maxLength: 12 }), someStops, fc.nat(3), (texts, stops, tear) => {
        // Tears characters: each part gives some of its last bytes to the next one.
        const bytes = Buffer.concat(texts)
        const parts: Uint8Array[] = []
        for (let from = 0; from < bytes.length; from += tear + 1) parts.push(bytes.subarray(from, from + tear + 1))
        const stream = new TextStream(stops)
        let text = ''
        let wholeParts = 0
        for (const part of parts) {
          const given = stream.push(part)
          text += given.text
          wholeParts = given.wholeParts
          const whole = Buffer.concat(parts.slice(0, wholeParts))
          expect(utf8(text).length).toBeGreaterThanOrEqual(whole.length)
          if (given.stopped) break
        }
        const end = stream.end()
        text += end.text
        // All whose last byte is out.
        let length = 0
        const all = parts.filter((part) => (length += part.length) <= utf8(text).length).length
        expect(end.wholeParts).toBe(all)
      }),
      { numRuns: 1_000 },
    )
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TextStream } from '../../../provider-node/engines/text-stream.ts'

/** All that is shown of `bytes`, cut at `cuts`, and each part. */
function shown(
  bytes: Uint8Array,
  cuts: readonly number[],
  stops: readonly string[],
): { text: string; parts: string[] } {
  const stream = new TextStream(stops)
  const edges = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  const parts: string[] = []
  for (let index = 1; index < edges.length; index++) {
    const part = stream.push(bytes.subarray(edges[index - 1], edges[index]))
    parts.push(part.text)
    if (part.stopped) return { text: parts.join(''), parts }
  }
  parts.push(stream.end())
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
    expect(stream.push(utf8('x E'))).toEqual({ text: 'x ', stopped: false })
    expect(stream.push(utf8('N'))).toEqual({ text: '', stopped: false })
    expect(stream.push(utf8('X'))).toEqual({ text: 'ENX', stopped: false })
    expect(stream.push(utf8('EN'))).toEqual({ text: '', stopped: false })
    expect(stream.push(utf8('D and more'))).toEqual({ text: '', stopped: true })
    expect(stream.push(utf8('never'))).toEqual({ text: '', stopped: true })
    expect(stream.end()).toBe('')
  })

  it('leaves out a character that the end of the answer cut off', () => {
    const stream = new TextStream([])
    expect(stream.push(utf8('a😀').subarray(0, 3)).text).toBe('a')
    expect(stream.end()).toBe('')
  })

  it('cuts no pair of surrogates when a stop sequence is half of one', () => {
    expect(shown(utf8('a😀b'), [], ['\ud83d']).text).toBe('a😀b')
  })
})

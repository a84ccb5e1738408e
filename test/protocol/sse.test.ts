// WHATWG HTML, section 9.2.6. The property that money depends on: how the bytes are cut never changes the events.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  encodeSse,
  encodeSseComment,
  SSE_EVENT_MAX,
  SseDecoder,
  SseOverflow,
  type SseEvent,
} from '../../protocol/sse.ts'
import { describeVectors } from '../support/vectors.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const whole = (bytes: Uint8Array, max?: number) => new SseDecoder(max).push(bytes)
const inPieces = (bytes: Uint8Array, cuts: readonly number[], max?: number): SseEvent[] => {
  const decoder = new SseDecoder(max)
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return edges.slice(1).flatMap((edge, i) => decoder.push(bytes.subarray(edges[i], edge)))
}
const byteByByte = (bytes: Uint8Array, max?: number) =>
  inPieces(
    bytes,
    Array.from(bytes, (_, i) => i),
    max,
  )
const cuts = fc.array(fc.nat(100_000), { maxLength: 12 })

describeVectors('wpt-eventsource', (vectors) => {
  const Case = z.object({ name: z.string(), stream: z.string(), expect: z.array(z.string()) })
  const cases = z.array(Case).parse(vectors.json('cases.json'))
  it('has all eight cases', () => {
    expect(cases).toHaveLength(8)
  })
  it.each(cases)('$name: whole, byte by byte, and cut at random', ({ stream, expect: data }) => {
    const bytes = bytesOf(stream)
    expect(whole(bytes).map((event) => event.data)).toEqual(data)
    expect(byteByByte(bytes).map((event) => event.data)).toEqual(data)
    fc.assert(
      fc.property(cuts, (at) => {
        expect(inPieces(bytes, at).map((event) => event.data)).toEqual(data)
      }),
    )
  })
})

/** Bytes that look like a stream: field names, every line end, BOMs, halves of characters, plain rubbish. */
const streamBytes = fc
  .array(
    fc.oneof(
      fc
        .constantFrom(
          'data:',
          'data: ',
          'data',
          'event: x',
          ':',
          'id: 1',
          '\n',
          '\r',
          '\r\n',
          '\n\n',
          '\r\r',
          '\ufeff',
          '\0',
          'é😀',
          ' ',
        )
        .map(bytesOf),
      fc
        .constantFrom([0xff], [0xf0, 0x9f], [0x98, 0x80], [0xc3], [0xef, 0xbb], [0xbf], [0xed, 0xa0, 0x80])
        .map((raw) => Uint8Array.from(raw)),
      fc.uint8Array({ maxLength: 6 }),
    ),
    { maxLength: 60 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])))

describe('the decoder', () => {
  it('sees the same events however the bytes are cut', () => {
    fc.assert(
      fc.property(streamBytes, cuts, (bytes, at) => {
        const events = whole(bytes)
        expect(inPieces(bytes, at)).toEqual(events)
        expect(byteByByte(bytes)).toEqual(events)
      }),
      { numRuns: 1_000 },
    )
  })
  it('overflows or not, however the bytes are cut', () => {
    const overflows = (read: () => unknown) => {
      try {
        read()
        return false
      } catch (error) {
        expect(error).toBeInstanceOf(SseOverflow)
        return true
      }
    }
    fc.assert(
      fc.property(streamBytes, cuts, fc.integer({ min: 1, max: 40 }), (bytes, at, max) => {
        const expected = overflows(() => whole(bytes, max))
        expect(overflows(() => inPieces(bytes, at, max))).toBe(expected)
        expect(overflows(() => byteByByte(bytes, max))).toBe(expected)
      }),
      { numRuns: 1_000 },
    )
  })
  it.each([
    ['an event name', 'event: error\ndata: x\n\n', [{ event: 'error', data: 'x' }]],
    [
      'a name that holds for one event only',
      'event: a\ndata: 1\n\ndata: 2\n\n',
      [
        { event: 'a', data: '1' },
        { event: '', data: '2' },
      ],
    ],
    ['no event without data', 'event: a\n\n', []],
    ['one space after the colon, not two', 'data:  x\n\n', [{ event: '', data: ' x' }]],
    ['an unfinished event never', 'data: x\n', []],
    ['mixed line ends', 'data: 1\rdata: 2\r\ndata: 3\n\r\n', [{ event: '', data: '1\n2\n3' }]],
    ['unknown fields and other case as nothing', 'Data: x\ndatum: y\n\n', []],
    ['data without a colon as an empty line', 'data\n\n', [{ event: '', data: '' }]],
  ])('reads %s', (_, stream, events) => {
    expect(whole(bytesOf(stream))).toEqual(events)
    expect(byteByByte(bytesOf(stream))).toEqual(events)
  })
  it('carries nothing over after invalid UTF-8 but the replacement character', () => {
    expect(whole(Uint8Array.from([...bytesOf('data: a'), 0xff, ...bytesOf('b\n\n')]))).toEqual([
      { event: '', data: 'a\ufffdb' },
    ])
  })
})

describe('the limit of one event', () => {
  const stream = (length: number) => bytesOf(`data: ${'x'.repeat(length - 6)}\n\n`)
  it('accepts a line at the limit and refuses one over, whole and in pieces', () => {
    expect(whole(stream(100), 100)).toHaveLength(1)
    expect(byteByByte(stream(100), 100)).toHaveLength(1)
    expect(() => whole(stream(101), 100)).toThrow(SseOverflow)
    expect(() => byteByByte(stream(101), 100)).toThrow(SseOverflow)
  })
  it('counts the lines of one event together', () => {
    const lines = (count: number) => bytesOf('data: 12345\n'.repeat(count))
    // Nine lines leave 9 × (5 + 1) = 54 units; the tenth line of 11 makes 65.
    expect(() => whole(lines(10), 65)).not.toThrow()
    expect(() => whole(lines(10), 64)).toThrow(SseOverflow)
  })
  it('refuses a line that never ends at the default limit', () => {
    const decoder = new SseDecoder()
    const chunk = new Uint8Array(SSE_EVENT_MAX / 4).fill(0x61)
    for (let i = 0; i < 4; i++) decoder.push(chunk)
    expect(() => decoder.push(Uint8Array.of(0x61))).toThrow(SseOverflow)
  })
  it('starts counting anew with each event', () => {
    const decoder = new SseDecoder(20)
    for (let i = 0; i < 100; i++) expect(decoder.push(bytesOf('data: 1234567890\n\n'))).toHaveLength(1)
  })
  it('reads a megabyte of empty lines in one pass', () => {
    const before = performance.now()
    expect(whole(new Uint8Array(1_048_576).fill(0x0a))).toEqual([])
    // Rescanning the chunk for each line takes minutes; one pass takes milliseconds.
    expect(performance.now() - before).toBeLessThan(5_000)
  })
})

describe('the encoder', () => {
  it('writes one data line and a blank line', () => {
    expect(encodeSse('{"a":1}')).toBe('data: {"a":1}\n\n')
    expect(encodeSse('[DONE]', 'end')).toBe('event: end\ndata: [DONE]\n\n')
  })
  it('is read back by the decoder, line ends as line feeds', () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), cuts, (datas, at) => {
        const bytes = bytesOf(datas.map((data) => encodeSse(data)).join(''))
        expect(inPieces(bytes, at)).toEqual(datas.map((data) => ({ event: '', data: data.replace(/\r\n|\r/g, '\n') })))
      }),
    )
  })
  it('cannot be made to write a field by what it carries', () => {
    for (const text of ['x\n\ndata: forged', 'x\r\rdata: forged', 'a\r\ndata: forged']) {
      expect(whole(bytesOf(encodeSse(text)))).toHaveLength(1)
      expect(whole(bytesOf(encodeSseComment(text)))).toEqual([])
    }
  })
})

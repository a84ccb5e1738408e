import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  creditOf,
  decodeFrame,
  encodeCredit,
  encodeFrame,
  encodeJson,
  FRAME,
  jsonOf,
  LINK,
  OpenFrame,
  reconnectPauseMs,
  type Frame,
} from '../../protocol/link.ts'

const decoded = (message: Uint8Array): Frame => {
  const frame = decodeFrame(message)
  if (!frame.ok) throw new Error(frame.code)
  return frame.value
}
const types = Object.values(FRAME).filter((type) => type !== FRAME.drain)

describe('frames', () => {
  it('read back as they were written, wherever they lie in a buffer', () => {
    const stream = fc.integer({ min: 1, max: 2 ** 32 - 1 })
    fc.assert(
      fc.property(fc.constantFrom(...types), stream, fc.uint8Array({ maxLength: 200 }), (type, id, payload) => {
        const frame = encodeFrame(type, id, payload)
        const padded = new Uint8Array([9, 9, 9, ...frame, 9])
        expect(decoded(padded.subarray(3, 3 + frame.length))).toEqual({ type, stream: id, payload })
      }),
    )
  })

  it('are read at their longest and refused one byte longer', () => {
    const longest = new Uint8Array(LINK.frameBytes)
    expect(decodeFrame(encodeFrame(FRAME.data, 1, longest)).ok).toBe(true)
    expect(decodeFrame(encodeFrame(FRAME.data, 1, new Uint8Array(LINK.frameBytes + 1))).ok).toBe(false)
  })

  it.each([
    ['nothing', new Uint8Array(0)],
    ['a piece of a header', new Uint8Array([FRAME.data, 0, 0, 0])],
    ['a type nobody knows', new Uint8Array([10, 0, 0, 0, 1])],
    ['type nought', new Uint8Array([0, 0, 0, 0, 1])],
    ['data of the link itself', encodeFrame(FRAME.data, 0)],
    ['a stream that drains', encodeFrame(FRAME.drain, 1)],
  ])('are refused as malformed: %s', (_, message) => {
    expect(decodeFrame(message)).toMatchObject({ ok: false, code: 'malformed' })
  })

  it('carry JSON by a schema, or none', () => {
    const open: OpenFrame = { path: '/v1/embeddings', contentType: 'application/json', ticket: 'a.b.c', bodyBytes: 7 }
    expect(jsonOf(decoded(encodeJson(FRAME.open, 1, open)), OpenFrame)).toEqual(open)
    expect(jsonOf(decoded(encodeJson(FRAME.open, 1, { ...open, more: 1 })), OpenFrame)).toBeNull()
    expect(jsonOf(decoded(encodeFrame(FRAME.open, 1, new Uint8Array([0xff]))), OpenFrame)).toBeNull()
    const long = { ...open, path: `/${'x'.repeat(LINK.jsonBytes)}` }
    expect(jsonOf(decoded(encodeJson(FRAME.open, 1, long)), OpenFrame)).toBeNull()
  })

  it('grant bytes, and never none', () => {
    expect(creditOf(decoded(encodeCredit(1, 2 ** 32 - 1)))).toBe(2 ** 32 - 1)
    expect(creditOf(decoded(encodeCredit(1, 0)))).toBeNull()
    expect(creditOf(decoded(encodeFrame(FRAME.credit, 1, new Uint8Array(3))))).toBeNull()
  })
})

describe('reconnectPauseMs', () => {
  it.each([
    [0, 0, LINK.pauseMs.least],
    [0, 0.5, 2_500],
    [1, 0.5, 5_000],
    [3, 0.5, 20_000],
    [4, 0.5, 30_000],
    [1_000_000, 0.999, 59_940],
  ])('after %i failed tries with the draw %f waits %i ms', (attempt, draw, pauseMs) => {
    expect(reconnectPauseMs(attempt, draw)).toBe(pauseMs)
  })
})

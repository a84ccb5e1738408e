// Records as bytes: whatever happens to a file, what is read was written, and what is whole is read.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeRecord, readRecords } from '../../../provider-node/receipts/record.ts'

const values = [
  { n: 1, text: 'plain' },
  { n: 2, text: 'a\nb "é" 🐸' },
  { n: 3, text: '00000012 deadbeef' },
  { n: 4, text: '' },
]
const encoded = values.map(encodeRecord)
const file = Buffer.concat(encoded)
/** where each record ends */
const ends = encoded.map((_, index) => Buffer.concat(encoded.slice(0, index + 1)).byteLength)

describe('a file of records', () => {
  it('is read as it was written', () => {
    expect(readRecords(file)).toMatchObject({ records: values, goodBytes: file.byteLength, state: 'whole' })
    expect(readRecords(Buffer.alloc(0))).toMatchObject({ records: [], state: 'whole' })
  })

  it('keeps every record that was complete when it is cut at any byte, and is torn, not damaged', () => {
    for (let length = 0; length <= file.byteLength; length++) {
      const { records, state } = readRecords(file.subarray(0, length))
      // The line end is for people: a record is whole without it.
      const complete = ends.filter((end) => end - 1 <= length).length
      expect(records).toEqual(values.slice(0, complete))
      const isAtEnd = length === 0 || ends.includes(length) || ends.includes(length + 1)
      expect([length, state]).toEqual([length, isAtEnd ? 'whole' : 'torn'])
    }
  })

  it('is torn when zeros stand behind its last record, as a power cut leaves them', () => {
    const cut = Buffer.concat([file, Buffer.alloc(4_096)])
    expect(readRecords(cut)).toMatchObject({ records: values, goodBytes: file.byteLength, state: 'torn' })
  })

  it('is damaged when one byte of a record in its middle is another, and gives all the others', () => {
    for (let at = ends[0]!; at < ends[1]! - 1; at++) {
      const changed = Buffer.from(file)
      changed[at] = changed[at]! ^ 0x01
      const { records, state } = readRecords(changed)
      expect([at, state, records]).toEqual([at, 'damaged', [values[0], values[2], values[3]]])
    }
  })
})

describe('whatever is done to its bytes', () => {
  const wanted = new Set(values.map((value) => JSON.stringify(value)))
  const isWritten = (bytes: Buffer) => readRecords(bytes).records.every((record) => wanted.has(JSON.stringify(record)))

  it('nothing is read that was not written', () => {
    const place = fc.nat(file.byteLength - 1)
    const change: fc.Arbitrary<(bytes: Buffer) => Buffer> = fc.oneof(
      fc.tuple(place, fc.nat(255)).map(([at, byte]) => (bytes: Buffer) => {
        bytes[Math.min(at, bytes.byteLength - 1)] = byte
        return bytes
      }),
      fc.tuple(place, place).map(
        ([from, to]) =>
          (bytes: Buffer) =>
            Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]),
      ),
      fc.tuple(place, fc.uint8Array({ maxLength: 64 })).map(
        ([at, more]) =>
          (bytes: Buffer) =>
            Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]),
      ),
    )
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) =>
        isWritten(
          changes.reduce<Buffer>((bytes, apply) => (bytes.byteLength > 0 ? apply(bytes) : bytes), Buffer.from(file)),
        ),
      ),
      { numRuns: 2_000 },
    )
  })

  it('no bytes make it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => readRecords(Buffer.from(bytes)).records.length === 0),
    )
  })

  it('a record is found behind any rubbish', () => {
    const rubbish = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(rubbish, rubbish, (before, between) => {
        const bytes = Buffer.concat([before, encoded[0]!, between, encoded[1]!])
        expect(readRecords(bytes).records).toEqual([values[0], values[1]])
      }),
    )
  })
})

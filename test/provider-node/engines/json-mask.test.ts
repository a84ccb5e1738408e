import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JSON_DEPTH_MAX, JSON_SPACE_MAX, JsonMask } from '../../../provider-node/engines/json-mask.ts'
import { describeVectors } from '../../support/vectors.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)

/** Feeds byte by byte. @returns how many bytes were taken, and whether the object was whole then */
function fed(bytes: Uint8Array): { taken: number; isComplete: boolean } {
  const mask = new JsonMask()
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes.subarray(at, at + 1)
    if (!mask.allows(byte)) return { taken: at, isComplete: mask.isComplete }
    mask.push(byte)
  }
  return { taken: bytes.length, isComplete: mask.isComplete }
}
const accepts = (text: string | Uint8Array) => {
  const bytes = typeof text === 'string' ? utf8(text) : text
  const { taken, isComplete } = fed(bytes)
  return taken === bytes.length && isComplete
}

const spaces = fc.constantFrom('', ' ', '\n', '\r\n', '\t ', ' \n  ')
/** JSON of an object with white space of all kinds, escapes and wide characters. */
const someObject = fc
  .tuple(
    fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 4 })),
    fc.constantFrom(0, 1, '\t'),
    spaces,
  )
  .map(([value, indent, around]) => `${JSON.stringify(value, null, indent)}${around}`)

describe('the JSON mask', () => {
  it('takes every object whole, however tokens cut its bytes, and says so exactly at its end', () => {
    fc.assert(
      fc.property(someObject, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (text, lengths) => {
        const bytes = utf8(text)
        const end = utf8(text.trimEnd()).length
        const mask = new JsonMask()
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const token = bytes.subarray(at, at + (lengths[turn % lengths.length] ?? 1))
          expect(mask.allows(token)).toBe(true)
          expect(mask.push(token)).toBe(true)
          at += token.length
          expect(mask.isComplete).toBe(at >= end)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('takes no byte after which no object can come: what it takes, JSON.parse takes once it is ended', () => {
    // Objects with one byte changed: where the mask takes all of it and calls it whole, it is JSON; where it is JSON, the mask takes it.
    fc.assert(
      fc.property(someObject, fc.nat(), fc.constantFrom(...'{}[]",:\\0-.eE tu\r\u0001x'), (text, at, character) => {
        const characters = [...text]
        characters[at % characters.length] = character
        const changed = characters.join('')
        expect(accepts(changed)).toBe(isObject(changed))
      }),
      { numRuns: 2_000 },
    )
  })

  it('can always go on: behind whatever it took, some byte may come until the object is whole', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(255)), (stream) => {
        const mask = new JsonMask()
        const bytes: number[] = []
        for (const byte of stream) {
          if (bytes.length >= 150 || mask.isComplete) break
          const next = Array.from({ length: 256 }, (_, step) => (byte + step) % 256).find((one) =>
            mask.allows(Uint8Array.of(one)),
          )
          expect(next).toBeDefined()
          mask.push(Uint8Array.of(next ?? 0))
          bytes.push(next ?? 0)
        }
        if (mask.isComplete) expect(isObject(Buffer.from(bytes).toString())).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('is not moved by what it was only asked about', () => {
    const mask = new JsonMask()
    mask.push(utf8('{"a":[{"b"'))
    for (const asked of [':1}],"c":', ':"', ':[[[[', ':1}}', ']', '\u0000']) mask.allows(utf8(asked))
    expect(mask.allows(utf8(':1}]}'))).toBe(true)
    expect(mask.allows(utf8(':1}}'))).toBe(false)
    expect(mask.push(utf8(':1}]}'))).toBe(true)
    expect(mask.isComplete).toBe(true)
    expect(mask.allows(utf8('\n'))).toBe(true)
    expect(mask.allows(utf8('x'))).toBe(false)
  })

  it('lets nothing that is no byte come: it would go on for ever', () => {
    expect(new JsonMask().allows(new Uint8Array())).toBe(false)
  })

  it.each([
    ['{"a":01}', 6],
    ['{"a":-}', 6],
    ['{"a":1.}', 7],
    ['{"a":1e}', 7],
    ['{"a":+1}', 5],
    ['{"a":.5}', 5],
    ['{"a":truE}', 8],
    ['{"a":nul}', 8],
    ['{"a":1,}', 7],
    ['{,}', 1],
    ['{"a" 1}', 5],
    ["{'a':1}", 1],
    ['{"a":[1}', 7],
    ['{"a":{]', 6],
    ['{"\\x"}', 3],
    ['{"\\u12G4"}', 6],
    ['{"\u0000"}', 2],
    ['{"\n"}', 2],
    ['[]', 0],
    ['1', 0],
    ['"a"', 0],
    ['\uFEFF{}', 0],
    ['{}{', 2],
    ['{},', 2],
    [' {}', 0],
    ['\n{}', 0],
    ['{\n\n}', 2],
    ['{ \r\n \n}', 5],
    ['{} x', 3],
  ])('of %j takes %i bytes', (text, taken) => {
    expect(fed(utf8(text)).taken).toBe(taken)
    // As one token, too.
    expect(new JsonMask().allows(utf8(text))).toBe(false)
    expect(taken === 0 || new JsonMask().allows(utf8(text).subarray(0, taken))).toBe(true)
  })

  it.each([
    ['a byte that goes on with nothing', [0x80], 0],
    ['an overlong slash', [0xc0, 0xaf], 0],
    ['an overlong in three', [0xe0, 0x9f, 0xbf], 1],
    ['half a surrogate pair', [0xed, 0xa0, 0x80], 1],
    ['an overlong in four', [0xf0, 0x8f, 0xbf, 0xbf], 1],
    ['a character above U+10FFFF', [0xf4, 0x90, 0x80, 0x80], 1],
    ['a lead byte of five', [0xf8, 0x88, 0x80, 0x80, 0x80], 0],
    ['a character cut by the end of the string', [0xc3, 0x22], 1],
  ])('takes no %s inside a string', (_, bytes, taken) => {
    expect(fed(Uint8Array.from([0x7b, 0x22, ...bytes])).taken).toBe(2 + taken)
  })

  it('takes nesting up to its bound and no bracket more', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
    expect(accepts(nested(JSON_DEPTH_MAX))).toBe(true)
    expect(fed(utf8(nested(JSON_DEPTH_MAX + 1))).taken).toBe(5 + JSON_DEPTH_MAX - 1)
  })

  it('takes a run of white space up to its bound and not one more, wherever it stands', () => {
    for (const [before, after] of [
      ['{', '}'],
      ['{"a"', ':1}'],
      ['{"a":', '1}'],
      ['{"a":1', '}'],
      ['{"a":[', ']}'],
      ['{"a":1,', '"b":2}'],
      ['{}', ''],
    ] as const) {
      expect(accepts(before + ' '.repeat(JSON_SPACE_MAX) + after)).toBe(true)
      expect(fed(utf8(before + '\t'.repeat(JSON_SPACE_MAX + 1) + after)).taken).toBe(before.length + JSON_SPACE_MAX)
    }
  })
})

describeVectors('jsontestsuite', (vectors) => {
  const names = vectors.list('test_parsing').filter((name) => name.endsWith('.json'))
  const bytesOf = (name: string) => vectors.bytes(`test_parsing/${name}`)

  it('takes every file with a valid object, and every valid value as the member of one', () => {
    const valid = names.filter((name) => name.startsWith('y_'))
    expect(valid.length).toBe(95)
    let objects = 0
    for (const name of valid) {
      const bytes = bytesOf(name)
      if (isObject(Buffer.from(bytes).toString())) {
        objects += 1
        expect(accepts(bytes), name).toBe(true)
      }
      expect(accepts(Buffer.concat([utf8('{"a":'), bytes, utf8('}')])), name).toBe(true)
    }
    expect(objects).toBeGreaterThan(10)
  })

  it('calls no invalid file whole, nor an object with an invalid value as its member', () => {
    const invalid = names.filter((name) => name.startsWith('n_'))
    expect(invalid.length).toBe(188)
    for (const name of invalid) {
      const bytes = bytesOf(name)
      expect(accepts(bytes), name).toBe(false)
      const member = Buffer.concat([utf8('{"a":'), bytes, utf8('}')])
      // What lies beside a whole value becomes part of the object around it: those few are objects again.
      expect(accepts(member), name).toBe(isUtf8(member) && isObject(member.toString()))
    }
  })
})

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

const isUtf8 = (bytes: Uint8Array): boolean => Buffer.from(Buffer.from(bytes).toString()).equals(Buffer.from(bytes))

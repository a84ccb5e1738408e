import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseOipJson, tensorFromJson, tensorJsonParts, tensorToJson } from '../../protocol/oip-json.ts'
import { elementsOf, isWhole, stringsToBytes, type Tensor } from '../../protocol/oip.ts'
import { Datatype } from '../../protocol/oip-fields.ts'
import { aTensor } from './tensors.ts'

const fromText = (datatype: Datatype, shape: number[], text: string) => {
  const data = parseOipJson(text)
  if (!data.ok) throw new Error('no JSON')
  return tensorFromJson({ name: 'x', datatype, shape, data: data.value })
}
const bytesOf = (datatype: Datatype, shape: number[], text: string) => {
  const read = fromText(datatype, shape, text)
  return read.ok ? [...read.value.data] : (read.detail ?? '')
}
const textOf = (tensor: Omit<Tensor, 'name'>) => {
  const text = tensorToJson({ name: 'x', ...tensor })
  return text.ok ? text.value : `refused: ${text.detail}`
}

const nested = (values: readonly unknown[], shape: readonly number[]): unknown => {
  const [rows, ...inner] = shape
  if (rows === undefined) return values[0]
  const size = elementsOf(inner)
  return Array.from({ length: rows }, (_, row) => nested(values.slice(row * size, (row + 1) * size), inner))
}

describe('a tensor of every type', () => {
  it.each(Datatype.options)('%s: is the same after JSON, flat and nested, byte by byte', (datatype) => {
    fc.assert(
      fc.property(aTensor(datatype), (tensor) => {
        expect(isWhole(tensor)).toBe(true)
        const text = textOf(tensor)
        expect(fromText(datatype, [...tensor.shape], text)).toEqual({ ok: true, value: tensor })
        const values = parseOipJson(text)
        if (!values.ok || tensor.shape.length === 0) return
        const data = nested(values.value as unknown[], tensor.shape)
        expect(tensorFromJson({ ...tensor, shape: [...tensor.shape], data })).toEqual({ ok: true, value: tensor })
      }),
      { numRuns: 300 },
    )
  })

  it('is any JSON parser’s JSON', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Datatype.options).chain(aTensor), (tensor) => {
        const data = JSON.parse(textOf(tensor)) as unknown[]
        expect(data).toHaveLength(elementsOf(tensor.shape))
      }),
    )
  })

  it('comes in pieces of bounded length also when it is one long string, and no character is cut', () => {
    const text = '\u0001a😀'.repeat(100_000)
    const parts = tensorJsonParts({ name: 'x', datatype: 'BYTES', shape: [1], data: stringsToBytes([text]) })
    const pieces = parts.ok ? [...parts.value] : []
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(130_000)
    expect(pieces.join('')).toBe(JSON.stringify([text]))
  })

  it('comes in pieces of bounded length that are the same text', () => {
    const data = new Uint8Array(1_000_000).fill(255)
    const parts = tensorJsonParts({ name: 'x', datatype: 'UINT8', shape: [1_000_000], data })
    const pieces = parts.ok ? [...parts.value] : []
    expect(pieces.length).toBeGreaterThan(50)
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(70_000)
    expect(JSON.parse(pieces.join(''))).toHaveLength(1_000_000)
  })
})

describe('values', () => {
  const le64 = (value: bigint) => [...new Uint8Array(new BigUint64Array([BigInt.asUintN(64, value)]).buffer)]
  const table: [Datatype, string, number[]][] = [
    ['BOOL', '[true]', [1]],
    ['INT8', '[-128]', [128]],
    ['INT8', '[1.0]', [1]],
    ['UINT16', '[65535]', [255, 255]],
    ['INT64', '[9007199254740993]', le64(9007199254740993n)],
    ['INT64', '[-9223372036854775808]', le64(-(2n ** 63n))],
    ['UINT64', '[18446744073709551615]', le64(2n ** 64n - 1n)],
    ['FP16', '[1.5]', [0x00, 0x3e]],
    ['FP16', '[65519.9]', [0xff, 0x7b]],
    ['BF16', '["-Infinity"]', [0x80, 0xff]],
    ['FP32', '["NaN"]', [0, 0, 0xc0, 0x7f]],
    ['FP32', '[0.30000001192092896]', [0x9a, 0x99, 0x99, 0x3e]],
    ['FP32', '[-0]', [0, 0, 0, 0x80]],
    ['FP64', '[9007199254740993]', [0, 0, 0, 0, 0, 0, 0x40, 0x43]],
    ['BYTES', '["ü\\u0000"]', [3, 0, 0, 0, 0xc3, 0xbc, 0]],
    ['BYTES', '["\\ufeff"]', [3, 0, 0, 0, 0xef, 0xbb, 0xbf]],
  ]
  it.each(table)('%s takes %s', (datatype, text, bytes) => {
    expect(bytesOf(datatype, [1], text)).toEqual(bytes)
  })

  const refused: [Datatype, string][] = [
    ['BOOL', '[1]'],
    ['BOOL', '["true"]'],
    ['INT8', '[-129]'],
    ['INT8', '[128]'],
    ['UINT8', '[-1]'],
    ['UINT8', '[256]'],
    ['INT16', '[32768]'],
    ['UINT16', '[65536]'],
    ['INT32', '[2147483648]'],
    ['INT32', '[1.5]'],
    ['UINT32', '[4294967296]'],
    ['UINT32', '["1"]'],
    ['INT64', '[9223372036854775808]'],
    ['INT64', '[-9223372036854775809]'],
    ['INT64', '[9007199254740993.0]'],
    ['INT64', '[0.5]'],
    ['UINT64', '[18446744073709551616]'],
    ['UINT64', '[-1]'],
    ['FP16', '[65520]'],
    ['BF16', '[3.4e38]'],
    ['FP32', '[3.5e38]'],
    ['FP64', '[1e309]'],
    ['FP32', '["nan"]'],
    ['FP32', '["__proto__"]'],
    ['FP32', '[null]'],
    ['FP32', '[true]'],
    ['BYTES', '[1]'],
    ['BYTES', '["\\ud800"]'],
  ]
  it.each(refused)('%s refuses %s and names the element', (datatype, text) => {
    expect(bytesOf(datatype, [1], text)).toMatch(/^"x": element 0 is no /)
  })

  it('that JSON cannot say are refused by name, and the tensor is not altered', () => {
    const data = stringsToBytes(['ok', new Uint8Array([0xc3])])
    expect(textOf({ datatype: 'BYTES', shape: [2], data })).toMatch(/^refused: "x": element 1 is no UTF-8/)
  })

  it('are written as the shortest number that is them', () => {
    const data = new Uint8Array(new Float32Array([0.5, -0, NaN, -Infinity, 2 ** 70]).buffer)
    expect(textOf({ datatype: 'FP32', shape: [5], data })).toBe('[0.5,-0,"NaN","-Infinity",1.1805916207174113e+21]')
  })
})

describe('data that do not fit their shape', () => {
  it.each<[number[], string, string]>([
    [[2], '[1]', 'its data has 1 elements, and its shape [2] has 2.'],
    [[2], '[1,2,3]', 'its data has 3 elements'],
    [[2, 2], '[[1,2],[3]]', 'its data is an array, flat or nested as its shape says.'],
    [[2, 2], '[[1,2,3,4]]', 'its data is an array'],
    [[2], '[[1,2]]', 'its data is an array'],
    [[2], '[1,[2]]', 'element 1 is no INT8'],
    [[1, 1], '[[[1]]]', 'element 0 is no INT8'],
    [[], '1', 'its data is an array'],
    [[], '[]', 'its data has 0 elements, and its shape [] has 1.'],
    [[2 ** 31 - 1, 2 ** 31 - 1], '[1]', 'its data has 1 elements'],
  ])('%j with %s', (shape, text, why) => {
    expect(bytesOf('INT8', shape, text)).toContain(`"x": ${why}`)
  })

  it('are right for a scalar and for shapes without elements', () => {
    expect(bytesOf('INT8', [], '[7]')).toEqual([7])
    expect(bytesOf('INT8', [0, 3], '[]')).toEqual([])
    expect(bytesOf('INT8', [2, 0], '[[],[]]')).toEqual([])
  })
})

/** As a parser without long integers has it. */
function rounded(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(rounded)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)]))
}

describe('the parser', () => {
  it('gives integers a number cannot hold as bigint, and everything else as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const parsed = JSON.parse(text) as unknown
        expect(rounded(parseOipJson(text))).toEqual({ ok: true, value: parsed })
        // With a long integer beside it, the other parser reads the same.
        const both = parseOipJson(`[1234567890123456789,${text}]`)
        expect(both).toMatchObject({ ok: true, value: { 0: 1234567890123456789n } })
        expect(rounded(both)).toEqual({ ok: true, value: [Number(1234567890123456789n), parsed] })
      }),
    )
  })

  it.each(['', '[1', '[01]', '{"a":1}x', '[9007199254740993', '['.repeat(32) + '9007199254740993'])(
    'refuses %.20s',
    (text) => {
      expect(parseOipJson(text)).toEqual({ ok: false, code: 'malformed', detail: 'It is no JSON.' })
    },
  )

  it('lets the last of two equal keys count, whichever parser reads', () => {
    expect(parseOipJson('{"a":1,"a":2}')).toEqual({ ok: true, value: { a: 2 } })
    expect(parseOipJson('{"a":1,"a":9007199254740993}')).toEqual({ ok: true, value: { a: 9007199254740993n } })
  })
})

// What a JSON text may become as values: each bound at its limit and one over, and what only looks like structure inside strings.
import { describe, expect, it } from 'vitest'
import { beyondJsonBounds, JSON_BOUNDS } from '../../protocol/json-bounds.ts'
import { parseOipJson, tensorFromJson } from '../../protocol/oip-json.ts'
import { OIP_LIMITS } from '../../protocol/oip.ts'

const { depth, containers, fields, strings, values } = JSON_BOUNDS
const list = (element: string, count: number) => `[${Array.from({ length: count }, () => element).join(',')}]`

describe('a text in JSON', () => {
  it.each([
    ['nesting', (count: number) => '['.repeat(count) + ']'.repeat(count), depth, 'nested deeper than 32'],
    ['containers', (count: number) => list('[]', count - 1), containers, 'arrays and objects'],
    ['fields', (count: number) => `{${list('"a":1', count).slice(1, -1)}}`, fields, 'fields'],
    ['strings', (count: number) => list('""', count), strings, 'strings'],
    ['values', (count: number) => list('0', count + 1), values, 'values'],
  ])('has %s up to the bound and no more', (_, textOf, most, detail) => {
    expect(beyondJsonBounds(textOf(most))).toBeNull()
    expect(beyondJsonBounds(textOf(most + 1))).toContain(detail)
  })

  it('may have anything inside its strings', () => {
    const brackets = '[{:,'.repeat(values)
    expect(beyondJsonBounds(JSON.stringify([brackets, '\\', '"[', '\\"', brackets]))).toBeNull()
  })

  it('ends where its strings do not', () => {
    expect(beyondJsonBounds('["a\\"')).toBeNull()
    expect(beyondJsonBounds('"' + '\\'.repeat(1_000_001))).toBeNull()
  })

  it('is refused before it is parsed: a body of brackets alone would take an isolate’s memory', () => {
    const bomb = '['.repeat(1_000_000) + ']'.repeat(1_000_000)
    expect(parseOipJson(bomb)).toEqual({ ok: false, code: 'malformed', detail: 'It is nested deeper than 32.' })
  })
})

it('a number of millions of digits is none of a tensor’s, and is not read as one', () => {
  const read = parseOipJson(`[${'9'.repeat(16_000_000)}]`)
  expect(read).toEqual({ ok: true, value: [Infinity] })
})

describe('a tensor of more bytes than any body', () => {
  it.each([
    ['FP64', OIP_LIMITS.bodyBytes / 8, 0],
    ['BYTES', OIP_LIMITS.bodyBytes / 8, 'abcd'],
  ] as const)('of %s is refused', (datatype, elements, value) => {
    const of = (count: number) =>
      tensorFromJson({ name: 'x', datatype, shape: [count], data: Array.from({ length: count }, () => value) })
    expect(of(elements)).toMatchObject({ ok: true })
    expect(of(elements + 1)).toMatchObject({ ok: false, detail: '"x": its elements are more than 16777216 bytes.' })
  })
})

// RFC 8785: the example of section 3.2.2 with its result (3.2.3), the sorting example, and the numbers of appendix B.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { base64url, fromBase64url, jcs, sha256Hex, utf8ToBytes } from '../../protocol/canonical.ts'

describe('jcs', () => {
  it('writes the example of RFC 8785', () => {
    const value: unknown = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`)
    expect(jcs(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    )
  })
  it('sorts names by UTF-16 code units', () => {
    const value: unknown = JSON.parse(
      String.raw`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
    )
    expect(Object.values(JSON.parse(jcs(value)) as Record<string, string>)).toHaveLength(7)
    expect([...jcs(value).matchAll(/:"([^"]+)"/g)].map(([, text]) => text)).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ])
  })
  it.each([
    [0, '0'],
    [-0, '0'],
    [5e-324, '5e-324'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [9007199254740992, '9007199254740992'],
    [295147905179352830000, '295147905179352830000'],
    [1e23, '1e+23'],
    [999999999999999900000, '999999999999999900000'],
    [1e21, '1e+21'],
    [0.000001, '0.000001'],
    [1e-7, '1e-7'],
  ])('writes the number %s as %s', (value, text) => {
    expect(jcs(value)).toBe(text)
  })
  it.each([undefined, Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 1, Symbol('x')])('refuses %s', (value) => {
    expect(() => jcs(value)).toThrow()
  })
  it('does not depend on the order of names and can be read back', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = jcs(value)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(jcs(reversed(value))).toBe(text)
      }),
    )
  })
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, inner]) => [name, reversed(inner)]),
  )
}

describe('hash and base64url', () => {
  it('hashes the concatenation of its parts (FIPS 180-2, "abc")', () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(sha256Hex('abc')).toBe(abc)
    expect(sha256Hex('a', utf8ToBytes('bc'))).toBe(abc)
  })
  it.each([
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foobar', 'Zm9vYmFy'],
  ])('writes %j as %j (RFC 4648, section 10)', (text, encoded) => {
    expect(base64url(utf8ToBytes(text))).toBe(encoded)
  })
  it('gives every byte string back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(fromBase64url(base64url(bytes))).toEqual(bytes)
      }),
    )
  })
  it.each(['Zg==', 'Zm+v', 'Zm/v', 'Zg\n', ' Zg', 'A', 'Zm9vY', 'é'])('refuses %j', (text) => {
    expect(() => fromBase64url(text)).toThrow(TypeError)
  })
})

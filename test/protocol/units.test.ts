import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  base32,
  basisPoints,
  fromSqlInteger,
  fromUsd,
  HOUSE,
  instant,
  isAccountId,
  isCallId,
  isHouse,
  isKeyId,
  isModelId,
  isNodeId,
  MILLION,
  mulDown,
  mulUp,
  nanos,
  newAccountId,
  newCallId,
  newKeyId,
  newNodeId,
  tokens,
  toSqlInteger,
  toUsd,
} from '../../protocol/units.ts'

const LIMIT = 2n ** 53n
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length))

describe('ranges', () => {
  it.each([LIMIT - 1n, 1n - LIMIT, 0n])('accepts %s nanos', (amount) => {
    expect(nanos(amount)).toBe(amount)
  })
  it.each([LIMIT, -LIMIT])('refuses %s nanos, which a number cannot tell from its neighbour', (amount) => {
    expect(() => nanos(amount)).toThrow(RangeError)
    expect(() => toSqlInteger(amount)).toThrow(RangeError)
  })
  it.each([-1n, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, LIMIT])('refuses %s tokens', (count) => {
    expect(() => tokens(count)).toThrow(RangeError)
  })
  it.each([-1, 10_001, 0.5, Number.NaN])('refuses %s basis points', (share) => {
    expect(() => basisPoints(share)).toThrow(RangeError)
  })
  it.each([0, 10_000])('accepts %s basis points', (share) => {
    expect(basisPoints(share)).toBe(share)
  })
  it('cuts an instant to whole milliseconds and refuses what is no time', () => {
    expect(instant(1.9)).toBe(1)
    expect(() => instant(Number.NaN)).toThrow(RangeError)
    expect(() => instant(Number.POSITIVE_INFINITY)).toThrow(RangeError)
  })
  it('reads from SQL only what was not rounded', () => {
    expect(fromSqlInteger(Number.MAX_SAFE_INTEGER)).toBe(LIMIT - 1n)
    expect(() => fromSqlInteger(Number.MAX_SAFE_INTEGER + 1)).toThrow(RangeError)
    expect(() => fromSqlInteger(0.1)).toThrow(RangeError)
  })
  it('gives every amount back from SQL unchanged', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n - LIMIT, max: LIMIT - 1n }), (amount) => {
        expect(fromSqlInteger(toSqlInteger(amount))).toBe(amount)
      }),
    )
  })
})

describe('rounding', () => {
  it.each([
    [0n, 5n, 10n, 0n, 0n],
    [3n, 500_000n, MILLION, 2n, 1n],
    [2n, 500_000n, MILLION, 1n, 1n],
    [1n, 1n, MILLION, 1n, 0n],
    [999n, 500n, 10_000n, 50n, 49n],
  ])('%s × %s ÷ %s is %s up and %s down', (a, b, divisor, up, down) => {
    expect(mulUp(a, b, divisor)).toBe(up)
    expect(mulDown(a, b, divisor)).toBe(down)
  })
  it('never differs by more than one between up and down', () => {
    const amount = fc.bigInt({ min: 0n, max: 10n ** 18n })
    fc.assert(
      fc.property(amount, amount, fc.bigInt({ min: 1n, max: 10n ** 9n }), (a, b, divisor) => {
        const gap = mulUp(a, b, divisor) - mulDown(a, b, divisor)
        expect(gap).toBe((a * b) % divisor === 0n ? 0n : 1n)
      }),
    )
  })
})

describe('dollars', () => {
  it.each([
    [0n, '0.000000000'],
    [1n, '0.000000001'],
    [123_456n, '0.000123456'],
    [-1n, '-0.000000001'],
    [1_500_000_000n, '1.500000000'],
    [-2_000_000_001n, '-2.000000001'],
  ])('writes %s nanos as %s', (amount, text) => {
    expect(toUsd(nanos(amount))).toBe(text)
    expect(fromUsd(text)).toBe(amount)
  })
  it.each([
    ['1', 1_000_000_000n],
    ['1.5', 1_500_000_000n],
    ['007.1', 7_100_000_000n],
    ['-0.5', -500_000_000n],
  ])('reads %s', (text, amount) => {
    expect(fromUsd(text)).toBe(amount)
  })
  it.each(['', '.', '1.', '.5', '+1', '1e3', '1,5', '0.0000000001', '1 ', '1\n', '٣', 'NaN', '--1', '10000000', '0x1'])(
    'refuses %j',
    (text) => {
      expect(() => fromUsd(text)).toThrow(RangeError)
    },
  )
  it('reads back what it wrote, to the nano', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n - LIMIT, max: LIMIT - 1n }), (amount) => {
        expect(fromUsd(toUsd(nanos(amount)))).toBe(amount)
      }),
    )
  })
})

describe('ids', () => {
  it('makes ids that its own guards accept', () => {
    for (let i = 0; i < 200; i++) {
      expect(isAccountId(newAccountId(random))).toBe(true)
      expect(isKeyId(newKeyId(random))).toBe(true)
      expect(isNodeId(newNodeId(random))).toBe(true)
      expect(isCallId(newCallId(instant(Date.now()), random))).toBe(true)
    }
  })
  it('makes call ids that sort by time', () => {
    const times = [0, 1, 31, 32, 1_700_000_000_000, 1_700_000_000_001, 2 ** 48 - 1]
    const ids = times.map((ms) => newCallId(instant(ms), random))
    expect([...ids].sort()).toEqual(ids)
  })
  it.each([
    '',
    'i'.repeat(16),
    'O'.repeat(16),
    'a'.repeat(15),
    'a'.repeat(17),
    'a'.repeat(16) + '\n',
    'house:',
    'house:A',
  ])('does not take %j for an account', (text) => {
    expect(isAccountId(text)).toBe(false)
  })
  it.each(['souk/tiny-chat', 'a/b', 'a.b/c_d-1.2'])('takes %s for a model', (text) => {
    expect(isModelId(text)).toBe(true)
  })
  it.each(['tiny-chat', '/x', 'x/', 'A/b', 'a/b/c', '../x', 'a/../b', 'a/.b', 'a b/c'])(
    'does not take %j for a model',
    (text) => {
      expect(isModelId(text)).toBe(false)
    },
  )
  it('tells the house from its guests', () => {
    expect(isHouse(HOUSE.fees)).toBe(true)
    expect(isHouse(newAccountId(random))).toBe(false)
  })
  it.each([
    [[], ''],
    [[0], '00'],
    [[0xff], 'zw'],
    [[0, 0, 0, 0, 1], '00000001'],
    [[0xff, 0xff, 0xff, 0xff, 0xff], 'zzzzzzzz'],
  ])('writes bytes %j as base32 %j', (bytes, text) => {
    expect(base32(Uint8Array.from(bytes))).toBe(text)
  })
  it('gives different base32 to different bytes of one length', () => {
    const ten = fc.uint8Array({ minLength: 10, maxLength: 10 })
    fc.assert(
      fc.property(ten, ten, (a, b) => {
        expect(base32(a) === base32(b)).toBe(a.every((byte, i) => byte === b[i]))
      }),
    )
  })
})

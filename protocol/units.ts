// Units and ids of the whole house, and the only place that makes them.
// Money is a bigint of nanos (1e-9 US dollar); no float ever holds an amount. Rounding is in the function's name.
// Every stored value is a safe integer (its size below 2^53), because D1 rounds larger ones silently.

declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** Money: 1e-9 US dollar. 1 USDC base unit is 1_000 nanos. */
export type Nanos = Branded<bigint, 'Nanos'>
/** A count of model tokens. */
export type Tokens = Branded<bigint, 'Tokens'>
/** A count of tensor bytes. */
export type Bytes = Branded<bigint, 'Bytes'>
/** A share in basis points: 1/10_000. */
export type BasisPoints = Branded<number, 'BasisPoints'>
/** Milliseconds since the Unix epoch. */
export type Instant = Branded<number, 'Instant'>

export type AccountId = Branded<string, 'AccountId'>
export type KeyId = Branded<string, 'KeyId'>
export type CallId = Branded<string, 'CallId'>
export type NodeId = Branded<string, 'NodeId'>
/** `author/name`, lower case. */
export type ModelId = Branded<string, 'ModelId'>

export const MILLION = 1_000_000n
export const BPS_WHOLE = 10_000n
const NANOS_PER_USD = 1_000_000_000n
/** 2^53 itself is already ambiguous as a number: 2^53 + 1 reads the same. */
const SQL_INTEGER_MAX = 2n ** 53n - 1n

/** @throws RangeError at ±2^53 and beyond, which no amount of this market reaches (9 million dollars). */
export function nanos(amount: bigint): Nanos {
  return inSqlRange(amount) as Nanos
}

/** @throws RangeError for a negative or absurd count. */
export function tokens(count: bigint | number): Tokens {
  const value = inSqlRange(BigInt(count))
  if (value < 0n) throw new RangeError('a count of tokens is never negative')
  return value as Tokens
}

/** @throws RangeError for a negative or absurd count. */
export function bytes(count: bigint | number): Bytes {
  const value = inSqlRange(BigInt(count))
  if (value < 0n) throw new RangeError('a count of bytes is never negative')
  return value as Bytes
}

/** @throws RangeError outside 0…10_000. */
export function basisPoints(share: number): BasisPoints {
  if (!Number.isInteger(share) || share < 0 || share > 10_000) throw new RangeError('basis points are 0…10000')
  return share as BasisPoints
}

/** Whole milliseconds. @throws RangeError for NaN and infinities: a comparison with them would quietly be false */
export function instant(epochMs: number): Instant {
  if (!Number.isFinite(epochMs)) throw new RangeError('an instant is a finite number of milliseconds')
  return Math.trunc(epochMs) as Instant
}

/** a × b ÷ divisor, rounded up. Arguments are never negative. @example mulUp(3n, 500_000n, MILLION) // 2n */
export function mulUp(a: bigint, b: bigint, divisor: bigint): bigint {
  return (a * b + divisor - 1n) / divisor
}

/** a × b ÷ divisor, rounded down. Arguments are never negative. @example mulDown(999n, 500n, BPS_WHOLE) // 49n */
export function mulDown(a: bigint, b: bigint, divisor: bigint): bigint {
  return (a * b) / divisor
}

/** Decimal dollars with nine places. @example toUsd(nanos(123_456n)) // '0.000123456' */
export function toUsd(amount: Nanos): string {
  const sign = amount < 0n ? '-' : ''
  const absolute = amount < 0n ? -amount : amount
  return `${sign}${absolute / NANOS_PER_USD}.${String(absolute % NANOS_PER_USD).padStart(9, '0')}`
}

/** Reads decimal dollars exactly. @example fromUsd('1.5') // 1_500_000_000n @throws RangeError on anything else than ≤ 9 places */
export function fromUsd(text: string): Nanos {
  const match = /^(-?)(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text)
  if (!match) throw new RangeError('an amount is decimal dollars with at most nine places')
  const [, sign, whole = '0', fraction = ''] = match
  const absolute = BigInt(whole) * NANOS_PER_USD + BigInt(fraction.padEnd(9, '0'))
  return nanos(sign ? -absolute : absolute)
}

/** Dollars as an account sends them: below a million. Nothing else is a price, a limit or a payment; the schema is `Usd` in auth.ts. */
export const USD_SENT = /^\d{1,6}(\.\d{1,9})?$/

/** @example isUsdSent('0.25') // true; isUsdSent('-1') // false; isUsdSent('1e3') // false */
export const isUsdSent = (text: string): boolean => USD_SENT.test(text)

/** For SQL binds, which refuse bigint on D1. Lossless, because Nanos and Tokens stay below 2^53. */
export function toSqlInteger(value: bigint): number {
  return Number(inSqlRange(value))
}

/** From a SQL column. @throws RangeError when the number is no safe integer, which means it was already rounded. */
export function fromSqlInteger(value: number): bigint {
  if (!Number.isSafeInteger(value)) throw new RangeError('an integer column holds no safe integer')
  return BigInt(value)
}

const ID = {
  account: /^[0-9a-hjkmnp-tv-z]{16}$/,
  key: /^[0-9a-hjkmnp-tv-z]{10}$/,
  call: /^call_[0-9a-hjkmnp-tv-z]{26}$/,
  node: /^node_[0-9a-hjkmnp-tv-z]{16}$/,
  model: /^[a-z0-9][a-z0-9._-]{0,62}\/[a-z0-9][a-z0-9._-]{0,94}$/,
  house: /^house:[a-z]{1,16}$/,
}

/** Account ids are 16 base32 characters; the house's own accounts read `house:fees` and exist only in the book. */
export const isAccountId = (text: string): text is AccountId => ID.account.test(text) || ID.house.test(text)
export const isKeyId = (text: string): text is KeyId => ID.key.test(text)
export const isCallId = (text: string): text is CallId => ID.call.test(text)
export const isNodeId = (text: string): text is NodeId => ID.node.test(text)
export const isModelId = (text: string): text is ModelId => ID.model.test(text)

/** Random source: fills and returns the array, like `crypto.getRandomValues`. */
export type RandomBytes = (length: number) => Uint8Array

export const newAccountId = (random: RandomBytes): AccountId => base32(random(10)) as AccountId
export const newKeyId = (random: RandomBytes): KeyId => base32(random(7)).slice(0, 10) as KeyId
export const newNodeId = (random: RandomBytes): NodeId => `node_${base32(random(10))}` as NodeId
/** Sorts by time: 10 characters of milliseconds, 16 of randomness (the layout of a ULID, in lower case). */
export const newCallId = (now: Instant, random: RandomBytes): CallId =>
  `call_${base32Number(now, 10)}${base32(random(10))}` as CallId

export const HOUSE = {
  /** Takes the house's share of every charge. */
  fees: 'house:fees' as AccountId,
  /** Gives what admins grant, codes redeem and the local faucet pours. */
  grants: 'house:grants' as AccountId,
  /** Gives refunds, and takes back what was earned by the calls refunded. */
  refunds: 'house:refunds' as AccountId,
  /** Gives what was paid in through a processor, and takes what was charged back there. */
  payments: 'house:payments' as AccountId,
  /** Takes what is to be paid out. */
  payouts: 'house:payouts' as AccountId,
  /** Pays nodes for audits. */
  audits: 'house:audits' as AccountId,
}
export const isHouse = (account: AccountId): boolean => account.startsWith('house:')

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** Crockford's base32 in lower case: no `-`, no look-alikes, safe in keys and URLs. */
export function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET[(value >>> bits) & 31]
    }
    value &= 0xff
  }
  return bits > 0 ? text + ALPHABET[(value << (5 - bits)) & 31] : text
}

function base32Number(value: number, length: number): string {
  let rest = BigInt(value)
  let text = ''
  for (let i = 0; i < length; i++) {
    text = ALPHABET[Number(rest & 31n)] + text
    rest >>= 5n
  }
  return text
}

function inSqlRange(value: bigint): bigint {
  if (value > SQL_INTEGER_MAX || value < -SQL_INTEGER_MAX) throw new RangeError('an integer is not below 2^53')
  return value
}

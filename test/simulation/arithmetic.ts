// The checkers' own arithmetic: decimal dollars, cost and split, written from design.md section 5 and sharing nothing with the code they check.
import { createHash } from 'node:crypto'

/** @example nanosOf('-0.000000012') // -12n */
export function nanosOf(usd: string): bigint {
  const [whole = '', fraction = ''] = usd.replace('-', '').split('.')
  const size = BigInt(whole + fraction.padEnd(9, '0'))
  return usd.startsWith('-') ? -size : size
}

export interface Terms {
  readonly price: { readonly inputPerMillion: bigint; readonly outputPerMillion: bigint; readonly perCall: bigint }
  readonly operator: string
  readonly author: string
  readonly royaltyBps: number
  readonly feeBps: number
  readonly vesting: { readonly shareBps: number; readonly at: number } | null
}

/** The sum, rounded up once. */
export function costOf(input: bigint, output: bigint, { price }: Terms): bigint {
  const millionths = input * price.inputPerMillion + output * price.outputPerMillion
  const whole = millionths / 1_000_000n
  return whole + (millionths % 1_000_000n > 0n ? 1n : 0n) + price.perCall
}

export interface Shares {
  readonly operator: bigint
  readonly author: bigint
  readonly house: bigint
  /** of the operator's share */
  readonly later: bigint
}

/** Fee and royalty rounded down, the node gets the rest. */
export function sharesOf(charge: bigint, { royaltyBps, feeBps, vesting }: Terms): Shares {
  const part = (of: bigint, bps: number) => (of * BigInt(bps) - ((of * BigInt(bps)) % 10_000n)) / 10_000n
  const author = part(charge, royaltyBps)
  const house = part(charge, feeBps)
  const operator = charge - author - house
  return { operator, author, house, later: vesting ? part(operator, vesting.shareBps) : 0n }
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export const sum = (amounts: Iterable<bigint>): bigint => {
  let total = 0n
  for (const amount of amounts) total += amount
  return total
}

/** Adds to a sum by name. */
export function add<Key>(sums: Map<Key, bigint>, key: Key, amount: bigint): void {
  sums.set(key, (sums.get(key) ?? 0n) + amount)
}

// Prices and what units cost at them. One sum, rounded up once, so that a receipt, a hold and a charge can be recomputed by anyone.
import { fromUsd, MILLION, mulUp, nanos, type Bytes, type Nanos, type Tokens } from './units.ts'

/** Nanos per million units, and per call. */
export interface Price {
  readonly inputPerMillion: Nanos
  readonly outputPerMillion: Nanos
  readonly cachedInputPerMillion: Nanos
  readonly bytesPerMillion: Nanos
  readonly perCall: Nanos
}

/** Dollars of the highest price that is no slip of the pen. Below the bound of the wire (`OfferPrices` in node.ts), which only keeps sums safe. */
const PRICE_MAX_USD = { perMillion: '1000', perCall: '10' } as const

/** The highest that may be asked for one part of a price, decimal dollars. @example priceMaxUsd('perCall') // '10' */
export const priceMaxUsd = (part: keyof Price): string =>
  part === 'perCall' ? PRICE_MAX_USD.perCall : PRICE_MAX_USD.perMillion

/** Of decimal dollars as they are sent. @example isPriceTooHigh('perCall', '10.000000001') // true */
export const isPriceTooHigh = (part: keyof Price, usd: string): boolean => fromUsd(usd) > fromUsd(priceMaxUsd(part))

/** What an attempt delivered. */
export interface Units {
  readonly inputTokens: Tokens
  readonly outputTokens: Tokens
  /** bytes of tensors, in and out, in their canonical form (protocol/oip.ts); absent: none */
  readonly tensorBytes?: Bytes | undefined
}

/** Whether nothing at all was delivered. */
export const isNoUnits = ({ inputTokens, outputTokens, tensorBytes }: Units): boolean =>
  inputTokens + outputTokens + (tensorBytes ?? 0n) === 0n

/**
 * Cost in nanos, rounded up once.
 * @example costOf({ inputTokens: 12n, outputTokens: 100n }, { inputPerMillion: 10_000_000n, outputPerMillion: 10_000_000n, perCall: 0n, … }) // 1_120n
 */
export const costOf = (units: Units, price: Price): Nanos => jointCost([{ units, price }])

/**
 * The same of parts at prices of their own: one sum, rounded up once. @example two parts of 1.5 nanos each // 3n
 */
export function jointCost(parts: readonly { readonly units: Units; readonly price: Price }[]): Nanos {
  const millionths = parts.reduce((sum, { units, price }) => sum + millionthsOf(units, price), 0n)
  return nanos(mulUp(millionths, 1n, MILLION))
}

/** of a nano */
const millionthsOf = (units: Units, price: Price): bigint =>
  units.inputTokens * price.inputPerMillion +
  units.outputTokens * price.outputPerMillion +
  (units.tensorBytes ?? 0n) * price.bytesPerMillion +
  price.perCall * MILLION

// What to ask for a model so that this machine earns what it shall: a rule over measured paces. Amounts are nanos; a price is rounded up, so that at
// full use no less comes in than was asked for.
import { TENSOR_TASKS, type Task } from '../../protocol/model.ts'
import type { OfferPrices } from '../../protocol/node.ts'
import { fromUsd, MILLION, mulUp, nanos, toUsd, type Nanos } from '../../protocol/units.ts'
import type { Pace } from './drive.ts'

/** An output token is asked so many times an input token: that is about what it costs, and what the market is used to. */
export const OUTPUT_TIMES_INPUT = 4
/** Digits of a suggested price that mean anything: the measurement is no better. */
const DIGITS = 3
/** Of the wire: prices stay below it. */
const DOLLARS_MAX = 100_000n * 1_000_000_000n - 1n

/** Decimal dollars, and watts as a decimal number. */
export interface Costs {
  readonly perHour?: string | undefined
  readonly watts?: string | undefined
  readonly perKwh?: string | undefined
}

/** What an hour shall bring in: the electricity, and what the machine shall earn besides. @throws RangeError for what is no amount @example hourlyNanos({ watts: '250', perKwh: '0.4' }) // 100_000_000n */
export function hourlyNanos({ perHour = '0', watts = '0', perKwh = '0' }: Costs): Nanos {
  // Watts have at most nine places like an amount of money, so they are read as one: 250 W are 250e9.
  const nanoWatts = fromUsd(watts)
  const power = mulUp(nanoWatts, fromUsd(perKwh), 1_000n * 1_000_000_000n)
  return nanos(power + fromUsd(perHour))
}

/** The prices at which this pace brings in so much in an hour; null when nothing that is paid for was done. */
export function suggestPrices(task: Task, pace: Pace, hour: Nanos): OfferPrices | null {
  if (TENSOR_TASKS.has(task)) {
    const price = perMillion(hour, hourly(pace.bytes))
    return price === null
      ? null
      : { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: price(1n), perCall: '0' }
  }
  const times = task === 'chat' ? OUTPUT_TIMES_INPUT : 0
  const price = perMillion(hour, hourly(pace.inputTokens + times * pace.outputTokens))
  return price && { inputPerMillion: price(1n), outputPerMillion: price(BigInt(times)), perCall: '0' }
}

/** Units of an hour, whole. */
const hourly = (perSecond: number): bigint => BigInt(Math.floor(perSecond * 3_600))

function perMillion(hour: Nanos, units: bigint): ((times: bigint) => string) | null {
  return units > 0n ? (times) => decimal(rounded(mulUp(hour * times, MILLION, units))) : null
}

/** Up, to so many digits. @example rounded(123_456n) // 124_000n */
export function rounded(amount: bigint): bigint {
  const unit = 10n ** BigInt(Math.max(0, String(amount).length - DIGITS))
  const up = mulUp(amount, 1n, unit) * unit
  return up > DOLLARS_MAX ? DOLLARS_MAX : up
}

/** Decimal dollars without zeros that say nothing. */
const decimal = (amount: bigint): string => toUsd(nanos(amount)).replace(/\.?0+$/, '')

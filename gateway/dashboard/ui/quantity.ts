// Numbers with their units, as a person reads them. Dollars arrive as decimal strings and are shown to the last digit; everything else is a count or a measure.
import { usd } from './money.tsx'

/** `$`: decimal dollars; `%`: a share of 0…1; `ms`; `bytes`; any other word is counted: `calls`, `tokens` */
export type Unit = '$' | '%' | 'ms' | 'bytes' | (string & {}) // keeps the suggestions while any word is allowed

const COUNT = new Intl.NumberFormat('en')
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })
const SMALL = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })
/** words that lose their last letter for one: not `ms`, not `s` */
const COUNTED = /\w{3}s$/
const BYTES = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const

/** Exact, with the unit. @example quantity(1234, 'calls') // '1,234 calls' @example quantity('0.5', '$') // '$0.50' */
export function quantity(value: number | string | null, unit: Unit): string {
  if (value === null) return '–'
  if (unit === '$') return usd(String(value))
  const number = Number(value)
  if (unit === '%') return `${SMALL.format(number * 100)} %`
  if (unit === 'bytes') return bytes(number)
  return `${COUNT.format(number)} ${number === 1 && COUNTED.test(unit) ? unit.slice(0, -1) : unit}`
}

/** Short, for an axis. @example tick(12345, 'calls') // '12.3K' */
export function tick(value: number, unit: Unit): string {
  if (unit === '$') return `$${value < 1 ? SMALL.format(value) : COMPACT.format(value)}`
  if (unit === '%') return `${SMALL.format(value * 100)} %`
  if (unit === 'ms') return `${COMPACT.format(value)} ms`
  if (unit === 'bytes') return bytes(value)
  return COMPACT.format(value)
}

function bytes(value: number): string {
  let rest = value
  let step = 0
  while (rest >= 1000 && step < BYTES.length - 1) {
    rest /= 1000
    step++
  }
  return `${SMALL.format(rest)} ${value === 1 ? 'byte' : (BYTES[step] ?? 'bytes')}`
}

// Spend against the period before (pure): amounts stay whole, and only their ratio becomes a number.
import { fromUsd } from '../../../protocol/units.ts'
import type { Range, RangePreset } from '../ui/range.ts'

const DAY_MS = 86_400_000

/** The same length right before; for today the same hours of the day before. */
export function rangeBefore({ from, to, step }: Range, preset: RangePreset | 'custom'): Range {
  const shiftMs = preset === 'today' ? DAY_MS : Date.parse(to) - Date.parse(from)
  const moved = (time: string) => new Date(Date.parse(time) - shiftMs).toISOString()
  return { from: moved(from), to: moved(to), step }
}

/** @example changeWords('1.5', '1') // '50 % more'; changeWords('0', '0') // 'nothing before either' */
export function changeWords(now: string, before: string): string {
  const [a, b] = [fromUsd(now), fromUsd(before)]
  if (b === 0n) return a === 0n ? 'nothing before either' : 'nothing before'
  if (a === b) return 'as much as before'
  const tenths = ((a > b ? a - b : b - a) * 1_000n) / b
  const share = tenths >= 100n ? String(tenths / 10n) : `${tenths / 10n}.${tenths % 10n}`
  return `${share} % ${a > b ? 'more' : 'less'} than before`
}

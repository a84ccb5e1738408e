// A range of time in an address: a preset that moves with the clock, or two fixed times. The routes of pages that show a range use `rangeSearch` as their
// `validateSearch`, so that a link shows to others what its sender saw.
import type { Step } from '../../../protocol/metering.ts'

export type RangePreset = 'today' | '7d' | '30d'
export interface RangeSearch {
  readonly range?: RangePreset
  /** both or none: ISO times; `to` exclusive */
  readonly from?: string
  readonly to?: string
}
export interface Range {
  readonly from: string
  readonly to: string
  readonly step: Step
}

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** a longer range is drawn in days */
const HOURS_DAYS_MAX = 8
/** the gateway's bound (protocol/metering.ts) */
const DAYS_MAX = 400
const DEFAULT: RangePreset = '7d'
const PRESET_DAYS = { '7d': 7, '30d': 30 } as const

/** Whatever stands in an address: what is no range is left out. */
export function rangeSearch(search: Record<string, unknown>): RangeSearch {
  const { range, from, to } = search
  if (typeof from === 'string' && typeof to === 'string' && Date.parse(from) < Date.parse(to)) return { from, to }
  return range === 'today' || range === '7d' || range === '30d' ? { range } : {}
}

export const presetOf = (search: RangeSearch): RangePreset | 'custom' =>
  search.from !== undefined ? 'custom' : (search.range ?? DEFAULT)

/**
 * What the gateway is asked. Ends are whole hours or days, so that the same question is asked until the next one begins.
 * @param now ms since 1970
 */
export function rangeOf(search: RangeSearch, now: number): Range {
  const preset = presetOf(search)
  if (preset === 'custom') return fixed(Date.parse(search.from ?? ''), Date.parse(search.to ?? ''))
  if (preset === 'today') {
    const from = down(startOfDay(now), HOUR_MS)
    // At midnight itself the day has its first hour already: a range is never empty.
    return { from: iso(from), to: iso(Math.max(up(now, HOUR_MS), from + HOUR_MS)), step: 'hour' }
  }
  const days = PRESET_DAYS[preset]
  const stepMs = days <= HOURS_DAYS_MAX ? HOUR_MS : DAY_MS
  const to = up(now, stepMs)
  return { from: iso(to - days * DAY_MS), to: iso(to), step: stepMs === HOUR_MS ? 'hour' : 'day' }
}

function fixed(from: number, to: number): Range {
  const isHours = to - from <= HOURS_DAYS_MAX * DAY_MS
  const stepMs = isHours ? HOUR_MS : DAY_MS
  const end = up(to, stepMs)
  const start = Math.min(Math.max(down(from, stepMs), end - DAYS_MAX * DAY_MS), end - stepMs)
  return { from: iso(start), to: iso(end), step: isHours ? 'hour' : 'day' }
}

/** of the viewer's day */
const startOfDay = (now: number): number => new Date(now).setHours(0, 0, 0, 0)
const down = (time: number, stepMs: number): number => Math.floor(time / stepMs) * stepMs
/** the end of the step that `time` stands in */
const up = (time: number, stepMs: number): number => down(time - 1, stepMs) + stepMs
const iso = (time: number): string => new Date(time).toISOString()

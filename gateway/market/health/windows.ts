// How an offer did over the last five minutes, thirty, and the last day (rule): slots of counts and histograms, added up. A minute is the finest slot, for
// the two short windows; half an hour for the day. So each window is the running slot and those before it: its true length is up to one slot shorter.
import { z } from 'zod'
import { HealthWindows, type HealthWindow, type Percentiles } from '../../../protocol/endpoints.ts'
import { instant, type Instant } from '../../../protocol/units.ts'
import type { Sample } from './health.ts'
import { EMPTY, merged, quantile, withSample, type Histogram } from './histogram.ts'

export const MINUTE_MS = 60_000
export const HALF_HOUR_MS = 30 * MINUTE_MS
/** ms of a row of `offer_slots` */
export const ROW_MS = 5 * MINUTE_MS
const DAY_MS = 48 * HALF_HOUR_MS

/** JSON. */
export interface Slot {
  readonly attempts: number
  readonly served: number
  readonly busy: number
  readonly firstTokenMs: Histogram
  readonly unitsPerSecond: Histogram
}

export interface SlotAt extends Slot {
  /** its beginning, a multiple of its length */
  readonly at: Instant
}

export const NO_SLOT: Slot = { attempts: 0, served: 0, busy: 0, firstTokenMs: EMPTY, unitsPerSecond: EMPTY }

/** @example slotStart(125_000, MINUTE_MS) // 120_000 */
export const slotStart = (now: number, lengthMs: number): Instant => instant(Math.floor(now / lengthMs) * lengthMs)

/** How far back slots of a length are needed, with the five minutes that may still be unwritten. ms */
export const KEPT_MS: Readonly<Record<number, number>> = {
  [MINUTE_MS]: HALF_HOUR_MS + 2 * ROW_MS,
  [HALF_HOUR_MS]: DAY_MS,
}

/** Null when the sample says nothing that a window shows. */
export function withSampleIn(slot: Slot, { verdict, firstTokenMs, unitsPerSecond }: Sample): Slot | null {
  if (verdict === null && firstTokenMs === null && unitsPerSecond === null) return null
  return {
    attempts: slot.attempts + Number(verdict !== null),
    served: slot.served + Number(verdict === 'served'),
    busy: slot.busy + Number(verdict === 'busy'),
    firstTokenMs: firstTokenMs === null ? slot.firstTokenMs : withSample(slot.firstTokenMs, firstTokenMs),
    unitsPerSecond: unitsPerSecond === null ? slot.unitsPerSecond : withSample(slot.unitsPerSecond, unitsPerSecond),
  }
}

export function mergedSlots(slots: readonly Slot[]): Slot {
  const sum = (of: 'attempts' | 'served' | 'busy') => slots.reduce((total, slot) => total + slot[of], 0)
  return {
    attempts: sum('attempts'),
    served: sum('served'),
    busy: sum('busy'),
    firstTokenMs: merged(slots.map(({ firstTokenMs }) => firstTokenMs)),
    unitsPerSecond: merged(slots.map(({ unitsPerSecond }) => unitsPerSecond)),
  }
}

export function windowsOf(minutes: readonly SlotAt[], halfHours: readonly SlotAt[], now: Instant): HealthWindows {
  const last = (slots: readonly SlotAt[], spanMs: number) => windowOf(mergedSlots(since(slots, now, spanMs)))
  return { m5: last(minutes, ROW_MS), m30: last(minutes, HALF_HOUR_MS), d1: last(halfHours, DAY_MS) }
}

const since = (slots: readonly SlotAt[], now: Instant, spanMs: number): readonly SlotAt[] =>
  slots.filter(({ at }) => at > now - spanMs && at <= now)

function windowOf({ attempts, served, busy, firstTokenMs, unitsPerSecond }: Slot): HealthWindow {
  return {
    attempts,
    served,
    busy,
    firstTokenMs: percentiles(firstTokenMs, (share) => share),
    // The slow end of a speed is its low one.
    unitsPerSecond: percentiles(unitsPerSecond, (share) => 1 - share),
  }
}

function percentiles(histogram: Histogram, shareOf: (share: number) => number): Percentiles | null {
  const at = (share: number) => quantile(histogram, shareOf(share))
  const [p50, p75, p90, p99] = [at(0.5), at(0.75), at(0.9), at(0.99)]
  if (p50 === null || p75 === null || p90 === null || p99 === null) return null
  return { p50: short(p50), p75: short(p75), p90: short(p90), p99: short(p99) }
}

/** Three digits: a bucket is no finer. */
const short = (value: number): number => Number(value.toPrecision(3))

/** {@link HealthWindows} as the registry keeps them: with the time they end at. */
export const writeWindows = (windows: HealthWindows, now: Instant): string => JSON.stringify({ at: now, ...windows })

const Written = HealthWindows.extend({ at: z.number() })

/** What was written, as it looks now: an offer nobody asked since has no last five minutes. @param text of the registry; null: none */
export function readWindows(text: string | null, now: Instant): HealthWindows | null {
  if (text === null) return null
  const { at, m5, m30, d1 } = Written.parse(JSON.parse(text))
  const unless = (window: HealthWindow, spanMs: number) => (now - at < spanMs ? window : windowOf(NO_SLOT))
  return { m5: unless(m5, ROW_MS), m30: unless(m30, HALF_HOUR_MS), d1: unless(d1, DAY_MS) }
}

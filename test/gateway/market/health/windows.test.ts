import { describe, expect, it } from 'vitest'
import type { Sample } from '../../../../gateway/market/health/health.ts'
import {
  HALF_HOUR_MS,
  mergedSlots,
  MINUTE_MS,
  NO_SLOT,
  readWindows,
  slotStart,
  windowsOf,
  withSampleIn,
  writeWindows,
  type SlotAt,
} from '../../../../gateway/market/health/windows.ts'
import { instant } from '../../../../protocol/units.ts'

const aSample = (over: Partial<Sample> = {}): Sample => ({
  verdict: 'served',
  firstTokenMs: 100,
  unitsPerSecond: 50,
  driftPpm: null,
  ...over,
})
const slot = (at: number, ...samples: Partial<Sample>[]): SlotAt => ({
  at: instant(at),
  ...samples.reduce((sum, over) => withSampleIn(sum, aSample(over)) ?? sum, NO_SLOT),
})
const NOW = instant(1_000 * HALF_HOUR_MS + 90_000)
const current = slotStart(NOW, MINUTE_MS)

describe('a slot', () => {
  it('counts what was served, what failed and what found it full', () => {
    const all = slot(0, {}, { verdict: 'failed', firstTokenMs: null }, { verdict: 'busy', firstTokenMs: null })
    expect(all).toMatchObject({ attempts: 3, served: 1, busy: 1 })
  })

  it('measures an attempt that says nothing of the node, and is untouched by one that says nothing at all', () => {
    expect(slot(0, { verdict: null })).toMatchObject({ attempts: 0, firstTokenMs: { 26: 1 } })
    const nothing = aSample({ verdict: null, firstTokenMs: null, unitsPerSecond: null })
    expect(withSampleIn(NO_SLOT, nothing)).toBeNull()
  })

  it('is the sum of its parts', () => {
    expect(mergedSlots([slot(0, {}, {}), slot(1, { verdict: 'busy' })])).toEqual(
      mergedSlots([slot(0, {}, {}, { verdict: 'busy' })]),
    )
  })
})

describe('windows', () => {
  const minutes = Array.from({ length: 40 }, (_, ago) => slot(current - ago * MINUTE_MS, {}))
  const halfHours = Array.from({ length: 60 }, (_, ago) => slot(slotStart(NOW, HALF_HOUR_MS) - ago * HALF_HOUR_MS, {}))
  const seen = windowsOf(minutes, halfHours, NOW)

  it('are five minutes, thirty, and forty-eight half hours', () =>
    expect([seen.m5.attempts, seen.m30.attempts, seen.d1.attempts]).toEqual([5, 30, 48]))

  it('show the slow end of times and of speeds', () => {
    const times = Array.from({ length: 99 }, () => ({ firstTokenMs: 100, unitsPerSecond: 50 }))
    const slow = { firstTokenMs: 9_000, unitsPerSecond: 2 }
    const { m5 } = windowsOf([slot(current, ...times, slow, slow)], [], NOW)
    expect(m5.firstTokenMs?.p50).toBeCloseTo(98.7, 0)
    expect(m5.firstTokenMs?.p99).toBeGreaterThan(8_000)
    expect(m5.unitsPerSecond?.p50).toBeGreaterThan(45)
    expect(m5.unitsPerSecond?.p99).toBeLessThan(3)
  })

  it('are read as they look now: what nobody renewed ends', () => {
    const text = writeWindows(seen, NOW)
    const counts = (laterMs: number) => {
      const { m5, m30, d1 } = readWindows(text, instant(NOW + laterMs)) ?? {}
      return [m5?.attempts, m30?.attempts, d1?.attempts]
    }
    expect(counts(0)).toEqual([5, 30, 48])
    expect(counts(299_999)).toEqual([5, 30, 48])
    expect(counts(300_000)).toEqual([0, 30, 48])
    expect(counts(1_800_000)).toEqual([0, 0, 48])
    expect(counts(86_400_000)).toEqual([0, 0, 0])
    expect(readWindows(null, NOW)).toBeNull()
  })
})

import { describe, expect, it } from 'vitest'
import { afterSample, mean, sampleOf, unknownHealth } from '../../../../gateway/market/health/health.ts'
import { instant } from '../../../../protocol/units.ts'
import { aReport } from '../builders.ts'

describe('afterSample', () => {
  const after = (...reports: [Parameters<typeof aReport>[0], number][]) =>
    reports.reduce(
      (health, [over, at]) => afterSample(health, sampleOf(aReport(over)), instant(at)),
      unknownHealth(instant(0)),
    )
  const failed = { outcome: 'provider_failed', fault: 'node', firstTokenMs: null } as const

  it('knows nothing before the first report', () => expect(mean(unknownHealth(instant(0)).success)).toBeNull())

  it('halves the weight of the past every ten minutes', () => {
    expect(mean(after([{}, 0], [failed, 600_000]).success)).toBeCloseTo(1 / 3)
    expect(mean(after([{}, 0], [failed, 0]).success)).toBeCloseTo(1 / 2)
  })

  it('counts only what is the fault of the node', () => {
    const others = { outcome: 'cancelled', fault: 'caller', firstTokenMs: null } as const
    expect(
      mean(after([{}, 0], [others, 1], [{ ...others, fault: 'gateway', outcome: 'unavailable' }, 2]).success),
    ).toBe(1)
  })

  it('remembers drift of every attempt that said something, whatever became of it', () => {
    expect(mean(unknownHealth(instant(0)).driftPpm)).toBeNull()
    expect(mean(after([{ driftPpm: null }, 0]).driftPpm)).toBeNull()
    const health = after(
      [{ driftPpm: 0 }, 0],
      [{ ...failed, driftPpm: 600_000 }, 3_600_000],
      [{ driftPpm: null }, 3_600_000],
    )
    expect(mean(health.driftPpm)).toBeCloseTo(400_000)
  })

  it('measures the time to the first token, and the speed after it', () => {
    const health = after([{ firstTokenMs: 100, durationMs: 1_100, outputTokens: 51 }, 0])
    expect(mean(health.firstTokenMs)).toBe(100)
    expect(mean(health.unitsPerSecond)).toBe(50)
    expect(mean(after([{ outputTokens: 1 }, 0]).unitsPerSecond)).toBeNull()
  })
})

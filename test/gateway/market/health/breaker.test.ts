import { describe, expect, it } from 'vitest'
import { afterAttempt, breakerState, CLOSED, type Breaker } from '../../../../gateway/market/health/breaker.ts'
import { afterReport, mean, unknownHealth } from '../../../../gateway/market/health/health.ts'
import { instant } from '../../../../protocol/units.ts'
import { aReport } from '../builders.ts'

const run = (attempts: string, at = 0, from: Breaker = CLOSED) =>
  [...attempts].reduce((breaker, sign) => afterAttempt(breaker, sign === '+', instant(at)), from)

describe('afterAttempt', () => {
  it.each([
    ['--', 'closed'],
    ['---', 'open'],
    ['--+--', 'closed'],
    ['+'.repeat(40) + '---', 'open'],
    // 10 of 20 is half, not more; 11 of 21 is more. Never three in a row.
    ['-+'.repeat(10), 'closed'],
    ['-+'.repeat(10) + '-', 'open'],
    // fewer than 20 attempts say nothing by their ratio
    ['--+--+--+--+--+--+', 'closed'],
    ['--+--+--+--+--+--+--', 'open'],
  ])('after %s it is %s', (attempts, state) => expect(breakerState(run(attempts), instant(0))).toBe(state))

  it('stays open ten seconds, then tries once, and waits twice as long after each failed trial, at most five minutes', () => {
    let breaker = run('---')
    for (const openMs of [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]) {
      const until = breaker.until ?? 0
      expect(breaker.openMs).toBe(openMs)
      expect(breakerState(breaker, instant(until - 1))).toBe('open')
      expect(breakerState(breaker, instant(until))).toBe('half_open')
      breaker = run('-', until, breaker)
    }
  })

  it('does not open longer for attempts that were under way', () => {
    expect(run('-----', 5_000, run('---')).until).toBe(10_000)
  })

  it('is closed by a success and begins anew', () => {
    expect(run('+', 10_000, run('---'))).toEqual(CLOSED)
    expect(run('---', 20_000, run('+', 10_000, run('---'))).until).toBe(30_000)
  })
})

describe('afterReport', () => {
  const after = (...reports: [Parameters<typeof aReport>[0], number][]) =>
    reports.reduce((health, [over, at]) => afterReport(health, aReport(over), instant(at)), unknownHealth(instant(0)))
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
      [{ ...failed, driftPpm: 600_000 }, 600_000],
      [{ driftPpm: null }, 600_000],
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

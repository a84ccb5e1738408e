import { describe, expect, it } from 'vitest'
import { afterAttempt, breakerState, CLOSED, type Breaker } from '../../../../gateway/market/health/breaker.ts'
import { instant } from '../../../../protocol/units.ts'

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

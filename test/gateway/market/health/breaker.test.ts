import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  afterAttempt,
  afterProbe,
  BREAKER,
  breakerState,
  CLOSED,
  mayProbe,
  probeApartMs,
  type Breaker,
} from '../../../../gateway/market/health/breaker.ts'
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

describe('afterProbe', () => {
  const probed = (breaker: Breaker, isServed: boolean, at: number) => afterProbe(breaker, isServed, instant(at))
  const state = (breaker: Breaker, at: number) => breakerState(breaker, instant(at))
  const onParole = probed(run('---'), true, 1_000)

  it('closes a breaker with one that was served, whenever that is', () => {
    expect(state(onParole, 1_000)).toBe('closed')
    expect(onParole).toMatchObject({ until: null, paroleSince: 1_000 })
  })

  it('keeps callers away from a half open offer for as long again when one failed, and never for longer', () => {
    const failed = probed(run('---'), false, 10_000)
    expect(failed).toMatchObject({ phase: 'open', until: 20_000, openMs: 10_000 })
    expect(probed(run('---'), false, 9_999).until).toBe(10_000)
  })

  it('counts on a closed breaker as a call does', () => {
    const thrice = [1, 2, 3].reduce((breaker) => probed(breaker, false, 0), CLOSED)
    expect(state(thrice, 0)).toBe('open')
    expect(probed(CLOSED, true, 0)).toMatchObject({ phase: 'closed', consecutive: 0 })
  })

  it('leaves an offer on parole: the next failure of a call opens it for twice as long, and then probes have to wait', () => {
    const relapsed = run('-', 2_000, onParole)
    expect(relapsed).toMatchObject({ phase: 'open', until: 22_000, hasRelapsed: true })
    expect(mayProbe(relapsed, instant(21_999))).toBe(false)
    expect(mayProbe(relapsed, instant(22_000))).toBe(true)
    const again = run('-', 23_000, probed(relapsed, true, 22_000))
    expect(again.until).toBe(63_000)
  })

  it('ends the parole with a call that was served, and all is forgotten', () => {
    expect(run('+', 2_000, onParole)).toEqual(CLOSED)
  })

  it('holds no failure against an offer on parole whose attempt began before', () => {
    const late = afterAttempt(onParole, false, instant(2_000), instant(999))
    expect(state(late, 2_000)).toBe('closed')
    expect(state(afterAttempt(onParole, false, instant(2_000), instant(1_000)), 2_000)).toBe('open')
  })

  it('opens it again when a probe fails on parole', () => {
    expect(probed(onParole, false, 2_000)).toMatchObject({ phase: 'open', until: 12_000, paroleSince: null })
  })

  it('comes every five seconds for half an hour, and every minute after that', () => {
    expect(probeApartMs(CLOSED, instant(0))).toBe(5_000)
    expect(probeApartMs(run('---'), instant(1_799_999))).toBe(5_000)
    expect(probeApartMs(run('---'), instant(1_800_000))).toBe(60_000)
  })
})

describe('a breaker, whatever happens', () => {
  const event = fc.record({ isProbe: fc.boolean(), isServed: fc.boolean(), later: fc.nat(60_000) })
  it('is open for ten seconds to five minutes, never on parole while open, and closed by a call that was served', () => {
    fc.assert(
      fc.property(fc.array(event), (events) => {
        let [breaker, time] = [CLOSED, 0]
        for (const { isProbe, isServed, later } of events) {
          time += later
          breaker = (isProbe ? afterProbe : afterAttempt)(breaker, isServed, instant(time))
          const { phase, until, openMs, paroleSince, recent } = breaker
          expect(recent.length).toBeLessThanOrEqual(BREAKER.recentMax)
          if (isServed && !isProbe) expect([phase, paroleSince]).toEqual(['closed', null])
          if (phase === 'closed') {
            expect(until).toBeNull()
            continue
          }
          expect(openMs).toBeGreaterThanOrEqual(BREAKER.openMs)
          expect(openMs).toBeLessThanOrEqual(BREAKER.openMsMax)
          expect([paroleSince, (until ?? Infinity) - time <= openMs]).toEqual([null, true])
        }
      }),
    )
  })
})

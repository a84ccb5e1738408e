// Who is slowed for leaving before the first token, as a rule, by simulated callers, and once with the real guard.
import { describe, expect, it } from 'vitest'
import { ABORTS, countEnd, isSlowed, pace, type AbortCount } from '../../../../gateway/ledger/calls/aborts.ts'
import { seededRandom } from '../../../../protocol/replay.ts'
import { instant, type Instant } from '../../../../protocol/units.ts'
import { aHold, anEnd, aPayer, START } from '../ledger-house.ts'

const NONE: AbortCount = { calls: 0, aborts: 0, at: instant(0), passedAt: instant(0) }
const ABORT = { outcome: 'cancelled', firstTokenAt: null } as const
const GOOD = { outcome: 'complete', firstTokenAt: START } as const

function counted(good: number, aborts: number, from: AbortCount = NONE, now = START): AbortCount {
  const ends = [...Array<typeof GOOD>(good).fill(GOOD), ...Array<typeof ABORT>(aborts).fill(ABORT)]
  return ends.reduce<AbortCount>((count, end) => countEnd(count, end, now), from)
}

describe('an account is slowed', () => {
  it.each([
    [0, 19, false],
    [0, 20, true],
    // Lent twenty good calls, a fifth of 20 + 20 is 8.
    [12, 8, false],
    [11, 9, true],
    [76, 24, false],
    [75, 25, true],
    [1_000, 250, false],
  ])('of %i good calls and %i aborts: %s', (good, aborts, slowed) => {
    expect(isSlowed(counted(good, aborts), START)).toBe(slowed)
  })

  it('only for what is left before the first token', () => {
    const late = { outcome: 'cancelled', firstTokenAt: START } as const
    const failed = { outcome: 'failed', firstTokenAt: null } as const
    let count = NONE
    for (let i = 0; i < 100; i++) count = countEnd(countEnd(count, late, START), failed, START)
    expect(isSlowed(count, START)).toBe(false)
  })

  it('until enough of it is forgotten, or enough calls were good', () => {
    const count = counted(0, 40)
    expect(isSlowed(count, instant(START + ABORTS.halfLifeMs))).toBe(true)
    expect(isSlowed(count, instant(START + ABORTS.halfLifeMs + 1))).toBe(false)
    expect(isSlowed(counted(139, 0, count), START)).toBe(true)
    expect(isSlowed(counted(140, 0, count), START)).toBe(false)
  })

  it('to one call in five seconds, with the time to come back', () => {
    const first = pace(counted(0, 30), START)
    if (!first.ok) throw new Error('the first call is let through')
    const refusal = {
      code: 'aborts_limited',
      retryAfterMs: 1,
      limit: { name: 'aborts', limit: '12', remaining: '0', resetsAt: START + 5_000 },
    }
    expect(pace(first.count, instant(START + 4_999))).toMatchObject(refusal)
    expect(pace(first.count, instant(START + 5_000)).ok).toBe(true)
    expect(pace(first.count, instant(START - 60_000)).ok).toBe(true)
  })
})

/** A caller that begins a call every `everyMs` and leaves some early; says how many were refused. */
function simulate(seed: string, abortShare: number, calls: number, everyMs: number): number {
  const random = seededRandom(seed)
  let count = NONE
  let refused = 0
  for (let n = 0; n < calls; n++) {
    const now: Instant = instant(START + n * everyMs)
    const paced = pace(count, now)
    if (!paced.ok) refused += 1
    else count = countEnd(paced.count, random() < abortShare ? ABORT : GOOD, now)
  }
  return refused
}

describe('a simulated caller', () => {
  const seeds = Array.from({ length: 50 }, (_, seed) => `seed ${seed}`)
  it.each([100, 1_000, 10_000])('who leaves a tenth of its calls, one every %i ms, is never slowed', (everyMs) => {
    expect(seeds.map((seed) => simulate(seed, 0.1, 1_000, everyMs))).toEqual(seeds.map(() => 0))
  })

  it.each([100, 1_000])('who leaves half of them, one every %i ms, is slowed, whatever the seed', (everyMs) => {
    for (const seed of seeds) expect(simulate(seed, 0.5, 1_000, everyMs)).toBeGreaterThan(500)
  })
})

describe('the guard', () => {
  it('counts aborts at capture, refuses with the time to come back, and forgets nothing by a repeat', async () => {
    const payer = await aPayer(1_000_000n)
    const callAndLeave = async () => {
      const request = aHold(payer, 1n)
      const held = await payer.port.hold(request)
      const end = anEnd(payer, request.callId, { outcome: 'cancelled', errorCode: 'cancelled' })
      for (let again = 0; again < 2 && held.ok; again++) await payer.port.capture(end)
      return held
    }
    for (let i = 0; i < 20; i++) expect(await callAndLeave()).toMatchObject({ ok: true })
    expect(await payer.sql('SELECT recent_calls AS calls, recent_aborts AS aborts FROM account')).toEqual([
      { calls: 20_000_000, aborts: 20_000_000 },
    ])
    expect(await callAndLeave()).toMatchObject({ ok: true })
    payer.clock.advance(2_000)
    expect(await callAndLeave()).toMatchObject({ code: 'aborts_limited', retryAfterMs: 3_000 })
    payer.clock.advance(3_000)
    expect(await callAndLeave()).toMatchObject({ ok: true })
    expect((await payer.port.balance()).heldNanos).toBe(0n)
  })
})

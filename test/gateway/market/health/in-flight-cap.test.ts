import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  afterCapSample,
  capNow,
  UNCAPPED,
  type CapSample,
  type InFlightCap,
} from '../../../../gateway/market/health/in-flight-cap.ts'
import { instant } from '../../../../protocol/units.ts'

const busy = (inFlight: number): CapSample => ({ verdict: 'busy', firstTokenMs: null, inFlight })
const served = (inFlight: number, firstTokenMs: number | null = 100): CapSample => ({
  verdict: 'served',
  firstTokenMs,
  inFlight,
})
const at = instant
const after = (samples: readonly CapSample[], time = 0, from: InFlightCap = UNCAPPED) =>
  samples.reduce((cap, sample) => afterCapSample(cap, sample, at(time)), from)
const cap = (known: InFlightCap, time = 0) => capNow(known, at(time))
const repeat = (times: number, sample: CapSample) => Array.from({ length: times }, () => sample)

describe('the cap of attempts at the same time', () => {
  it('is not known while nobody was refused', () => {
    expect(cap(after(repeat(50, served(50))))).toBeNull()
    expect(cap(after([{ verdict: 'failed', firstTokenMs: null, inFlight: 9 }]))).toBeNull()
  })

  it.each([
    [10, 7],
    [3, 2],
    [2, 1],
    [1, 1],
    [0, 1],
  ])('is a third less than the %d that it refused one of: %d', (inFlight, left) =>
    expect(cap(after([busy(inFlight)]))).toBe(left),
  )

  it('falls once for one burst of refusals, and again a second later', () => {
    const burst = after(repeat(9, busy(10)))
    expect(cap(burst)).toBe(7)
    expect(cap(after([busy(7)], 999, burst), 999)).toBe(7)
    expect(cap(after([busy(7)], 1_000, burst), 1_000)).toBe(4)
  })

  it('rises by one for each round of answers at the limit, and not below it', () => {
    const seven = after([busy(10)])
    expect(cap(after(repeat(50, served(6)), 0, seven))).toBe(7)
    expect(cap(after(repeat(6, served(7)), 0, seven))).toBe(7)
    expect(cap(after(repeat(8, served(7)), 0, seven))).toBe(8)
  })

  it('falls when three answers in a row have queued, not for two, not for one caller alone, not for long inputs once', () => {
    const slow = served(8, 1_600)
    expect(cap(after([...repeat(5, served(8)), slow, slow]))).toBeNull()
    expect(cap(after([...repeat(5, served(8)), slow, slow, served(8), slow]))).toBeNull()
    expect(cap(after([...repeat(5, served(1)), ...repeat(9, served(1, 1_600))]))).toBeNull()
    expect(cap(after([...repeat(5, served(8)), slow, slow, slow]))).toBe(7)
    // four times as long, but not by a second
    expect(cap(after([...repeat(5, served(8)), ...repeat(9, served(8, 900))]))).toBeNull()
  })

  it('is forgotten: twice as many every two minutes, all after twenty', () => {
    const five = after([busy(8)])
    expect([0, 120_000, 240_000].map((time) => cap(five, time))).toEqual([5, 11, 22])
    expect(cap(five, 1_199_999)).not.toBeNull()
    expect(cap(five, 1_200_000)).toBeNull()
  })

  it('is never below one, and never raised above what was under way and one more', () => {
    const sample = fc.record<CapSample>({
      verdict: fc.constantFrom('served', 'failed', 'busy'),
      firstTokenMs: fc.option(fc.integer({ min: 1, max: 60_000 })),
      inFlight: fc.integer({ min: 0, max: 64 }),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(sample, fc.nat(5_000))), (samples) => {
        let known = UNCAPPED
        let time = 0
        for (const [one, later] of samples) {
          time += later
          const before = capNow(known, at(time))
          known = afterCapSample(known, one, at(time))
          const now = capNow(known, at(time))
          if (now === null) continue
          expect(now).toBeGreaterThanOrEqual(1)
          if (before !== null && now > before) expect(now).toBeLessThanOrEqual(one.inFlight + 1)
        }
      }),
    )
  })

  it('finds a machine of four places again and again, and leaves it filled', () => {
    // Whoever asks beyond four places at once is refused; callers come as fast as the cap lets them.
    let known = UNCAPPED
    let refused = 0
    for (let time = 0; time < 600_000; time += 500) {
      const inFlight = Math.min(capNow(known, at(time)) ?? 16, 16)
      const isFull = inFlight > 4
      if (isFull) refused += 1
      known = afterCapSample(known, isFull ? busy(inFlight) : served(inFlight), at(time))
    }
    expect(refused / 1_200).toBeLessThan(0.2)
    expect(cap(known, 600_000)).toBeGreaterThanOrEqual(2)
  })
})

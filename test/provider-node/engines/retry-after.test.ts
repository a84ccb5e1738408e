import { describe, expect, it } from 'vitest'
import { averaged, retryAfterSeconds } from '../../../provider-node/engines/retry-after.ts'

describe('when a refused caller may try again', () => {
  it.each([
    ['until those who wait have begun', 16, 8, 2.5, 5],
    ['rounded up', 17, 8, 2.5, 6],
    ['a second at least', 1, 8, 0.1, 1],
    ['a second while nothing is known', 16, 8, null, 1],
    ['a minute at most', 10_000, 1, 10, 60],
  ])('%s', (_, waiting, concurrencyMax, callSeconds, seconds) => {
    expect(retryAfterSeconds({ waiting, concurrencyMax, callSeconds })).toBe(seconds)
  })

  it('follows how long calls lately take', () => {
    expect(averaged(null, 4)).toBe(4)
    let average: number | null = 4
    for (let call = 0; call < 50; call++) average = averaged(average, 1)
    expect(average).toBeCloseTo(1, 1)
  })
})

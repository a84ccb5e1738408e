import { describe, expect, it } from 'vitest'
import { PROBATION, vestingOf } from '../../../../gateway/market/admission/vesting.ts'
import { instant } from '../../../../protocol/units.ts'
import { OPERATOR, PAYER } from '../../../support/workers/builders.ts'

const midnight = Date.UTC(2040, 5, 16)
const DAY = 86_400_000

describe('what part of an operator’s share waits', () => {
  it.each([
    ['from the first millisecond of a day, exactly a week', midnight, midnight + 7 * DAY],
    ['from the next one on, to the midnight after', midnight + 1, midnight + 8 * DAY],
    ['to the last millisecond of that day', midnight + DAY - 1, midnight + 8 * DAY],
  ])('in probation, half of it: %s', (_, now, at) => {
    expect(vestingOf('probation', OPERATOR, PAYER, instant(now))).toEqual({ shareBps: 5_000, at })
  })

  it('is nothing outside probation, nor for an account that pays its own node', () => {
    for (const state of ['active', 'draining', 'pending', 'suspended'] as const)
      expect(vestingOf(state, OPERATOR, PAYER, instant(midnight))).toBeNull()
    expect(vestingOf('probation', PAYER, PAYER, instant(midnight))).toBeNull()
  })

  it('ends at most at eight different times for a week’s earnings', () => {
    const times = new Set<number | undefined>()
    for (let hour = 0; hour <= PROBATION.vestingMs / 3_600_000; hour++)
      times.add(vestingOf('probation', OPERATOR, PAYER, instant(midnight + hour * 3_600_000))?.at)
    expect(times.size).toBe(8)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ISOLATE_BUDGET,
  afterCall,
  afterRetry,
  createRetries,
  mayRetry,
  newRetryBudget,
  RETRY_BUDGET,
} from '../../../../gateway/inference/attempts/retry-budget.ts'
import { instant, type AccountId, type Instant } from '../../../../protocol/units.ts'

const { perCall, perSecond, reserve } = RETRY_BUDGET
const [ann, ben] = ['aaaaaaaaaaaaaaa1', 'bbbbbbbbbbbbbbb2'] as [AccountId, AccountId] // as units.ts makes them
const spend = (times: number, now: Instant, from = newRetryBudget(now)) =>
  Array.from({ length: times }).reduce<typeof from>((budget) => afterRetry(budget, now), from)

describe('the budget of further attempts', () => {
  it('has a reserve at the start, and not one more', () => {
    const now = instant(0)
    expect(mayRetry(spend(reserve - 1, now), now)).toBe(true)
    expect(mayRetry(spend(reserve, now), now)).toBe(false)
  })
  it('earns one with every five calls', () => {
    const now = instant(0)
    const calls = (times: number) =>
      Array.from({ length: times }).reduce<ReturnType<typeof spend>>((b) => afterCall(b, now), spend(reserve, now))
    expect(mayRetry(calls(4), now)).toBe(false)
    expect(mayRetry(calls(5), now)).toBe(true)
  })
  it('earns ten a second without any call, so that a single caller always fails over', () => {
    const empty = spend(reserve, instant(0))
    expect(mayRetry(empty, instant(99))).toBe(false)
    expect(mayRetry(empty, instant(100))).toBe(true)
  })
  it('is never more than its reserve, however long nothing happens', () => {
    const later = instant(1e9)
    expect(mayRetry(spend(reserve, later, newRetryBudget(instant(0))), later)).toBe(false)
  })
  it('takes a clock that is set back for one that stands', () => {
    const empty = spend(reserve, instant(5_000))
    expect(mayRetry(empty, instant(0))).toBe(false)
    expect(mayRetry(afterCall(empty, instant(0)), instant(5_079))).toBe(false)
  })

  it('law: whatever comes in whatever order, further attempts are at most a fifth of the calls, the floor and the reserve', () => {
    const step = fc.record({ ms: fc.nat({ max: 400 }), calls: fc.nat({ max: 20 }), wanted: fc.nat({ max: 60 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let [now, calls, retries] = [0, 0, 0]
        const budget = createRetries(() => instant(now))(ann)
        for (const { ms, calls: more, wanted } of steps) {
          now += ms
          for (let i = 0; i < more; i++) budget.noteCall()
          calls += more
          for (let i = 0; i < wanted && budget.mayRetry(); i++) {
            budget.noteRetry()
            retries++
          }
        }
        expect(retries).toBeLessThanOrEqual(reserve + calls * perCall + (now / 1_000) * perSecond + 1e-6)
      }),
    )
  })
  it("is each account's own: who spends all of it leaves the others theirs, as far as the isolate goes", () => {
    const retries = createRetries(() => instant(0))
    const spendAll = (account: AccountId) => {
      let times = 0
      for (const budget = retries(account); budget.mayRetry(); times++) budget.noteRetry()
      return times
    }
    expect([spendAll(ann), spendAll(ann), spendAll(ben)]).toEqual([reserve, 0, reserve])
    const others = Array.from({ length: 20 }, (_, i) =>
      spendAll(`ccccccccccccc${String(i).padStart(3, '0')}` as AccountId),
    )
    expect(others.reduce((sum, times) => sum + times, 0)).toBe(ISOLATE_BUDGET.reserve - 2 * reserve)
  })
  it('law: a caller who makes one call at a time, ten a second at most, is never refused', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 100, max: 5_000 }), { maxLength: 300 }), (pauses) => {
        let now = 0
        const budget = createRetries(() => instant(now))(ann)
        for (const ms of pauses) {
          budget.noteCall()
          expect(budget.mayRetry()).toBe(true)
          budget.noteRetry()
          now += ms
        }
      }),
    )
  })
})

// What counts against limits, as rules: shadows, changed limits, what is left, and what a reroll leaves good.
import { describe, expect, it } from 'vitest'
import { isItsSecret, oldUntil, rerolled, type Secrets } from '../../../../gateway/ledger/keys/key-secret.ts'
import { headroomOf, takeLimits, withLimits, type Use } from '../../../../gateway/ledger/limits/limit-use.ts'
import { newUse, NO_LIMITS } from '../../../../gateway/ledger/limits/limit-store.ts'
import { fullLevel } from '../../../../gateway/ledger/limits/token-bucket.ts'
import type { Limits } from '../../../../gateway/ledger/limits/limit-port.ts'
import { instant, nanos, tokens, type Instant } from '../../../../protocol/units.ts'
import { aKey, START } from '../ledger-house.ts'

const call = (tokensMax: number, amount = 0n) => ({ tokensMax: tokens(tokensMax), amountNanos: nanos(amount) })
const at = (ms: number): Instant => instant(START + ms)
const use = (limits: Partial<Limits>): Use => newUse({ ...NO_LIMITS, ...limits }, START)

/** One call each `everyMs`; the times at which it passed, or would have. */
function passed(limits: Partial<Limits>, calls: number, everyMs: number): number[] {
  let state = use(limits)
  const times: number[] = []
  for (let n = 0; n < calls; n++) {
    const taken = takeLimits('key', state, call(n % 3 === 0 ? 90 : 10), at(n * everyMs))
    if (!taken.ok) continue
    if (taken.use.shadowRefused === state.shadowRefused) times.push(n)
    state = taken.use
  }
  return times
}

describe('a shadow', () => {
  it.each([
    [{ rpm: 6 }, 5_000],
    [{ rpm: 6, tpm: 200 }, 1_000],
    [{ tpm: 80 }, 7_000],
  ])('of %j lets everything pass and counts exactly what the limit would have refused', (limits, everyMs) => {
    const real = passed(limits, 60, everyMs)
    expect(real.length).toBeGreaterThan(5)
    expect(real.length).toBeLessThan(60)
    expect(passed({ ...limits, ratesShadow: true }, 60, everyMs)).toEqual(real)
  })

  it('of a budget counts, and says when last', () => {
    const limit = { nanos: nanos(100n), period: 'day', shadow: true } as const
    const over = takeLimits('key', use({ limit }), call(1, 101n), at(7))
    expect(over).toMatchObject({ ok: true, use: { shadowRefused: 1, shadowRefusedAt: at(7) } })
    expect(takeLimits('key', use({ limit }), call(1, 100n), at(7))).toMatchObject({
      ok: true,
      use: { shadowRefused: 0 },
    })
  })

  it('of rates does not make a real budget pass, and the other way round', () => {
    const limit = { nanos: nanos(100n), period: 'day', shadow: false } as const
    const both = { limit, rpm: 1, ratesShadow: true }
    expect(takeLimits('key', use(both), call(1, 101n), START)).toMatchObject({ code: 'key_budget_exceeded' })
    const other = { limit: { ...limit, shadow: true }, rpm: 1 }
    const none = { ...use(other), levels: { calls: 0, tokens: 0, at: START } }
    expect(takeLimits('key', none, call(1, 101n), START)).toMatchObject({ code: 'rate_limited' })
    // A rate that is none of a shadow is taken by what really runs.
    const ran = takeLimits('key', use(other), call(1, 101n), START)
    expect(ran).toMatchObject({ ok: true, use: { shadowRefused: 1, levels: { calls: 0 } } })
  })

  it('says nothing of its rates', () => {
    expect(headroomOf(use({ rpm: 5, ratesShadow: true }), use({}))).toEqual({ requests: null, tokens: null })
  })
})

describe('what is left', () => {
  it('is that of the tighter of key and account, after this call', () => {
    const taken = takeLimits('key', use({ rpm: 6, tpm: 100 }), call(40), START)
    if (!taken.ok) throw new Error(taken.code)
    expect(headroomOf(taken.use, use({ tpm: 30 }))).toEqual({
      requests: { limit: 6, remaining: 5, resetMs: 10_000 },
      tokens: { limit: 30, remaining: 30, resetMs: 0 },
    })
  })
})

describe('a refusal', () => {
  const limit = { nanos: nanos(100n), period: 'day', shadow: false } as const
  it.each([
    [{ rpm: 1 }, call(1), 'account_requests', '1', '0', 60_000],
    [{ tpm: 10 }, call(6), 'account_tokens', '10', '4', 12_000],
    [{ tpm: 10 }, call(11), 'account_tokens', '10', '4', null],
    [{ concurrency: 1 }, call(1), 'account_concurrency', '1', '0', 1_000],
    // At ten in the morning a day's budget is fourteen hours away.
    [{ limit }, call(1, 41n), 'account_budget', '0.000000100', '0.000000040', 14 * 3_600_000],
    [{ limit }, call(1, 101n), 'account_budget', '0.000000100', '0.000000040', null],
    [
      { limit: { ...limit, period: 'total' } as const },
      call(1, 41n),
      'account_budget',
      '0.000000100',
      '0.000000040',
      null,
    ],
  ])('by %o names the limit, what is left of it and when it frees', (limits, wanted, name, of, remaining, waitMs) => {
    const held = { heldNanos: nanos(60n), openHolds: 1, levels: { calls: 0, tokens: fullLevel(4), at: START } }
    const refused = takeLimits('account', { ...use(limits), ...held }, wanted, START)
    const resetsAt = waitMs === null ? null : START + waitMs
    expect(refused).toMatchObject({ ok: false, limit: { name, limit: of, remaining, resetsAt } })
    expect(refused.ok ? null : (refused.retryAfterMs ?? null)).toBe(waitMs)
  })

  it('never says that less than nothing is left', () => {
    const lowered = { ...use({ limit }), heldNanos: nanos(200n) }
    expect(takeLimits('key', lowered, call(1, 1n), START)).toMatchObject({ limit: { remaining: '0.000000000' } })
  })
})

describe('a changed limit', () => {
  it.each([
    ['raised', 600, 590],
    ['lowered', 12, 2],
    ['lowered below what is used', 6, 0],
    ['unchanged', 60, 50],
  ])('that is %s keeps what was used of this minute', (_, rpm, left) => {
    const used = { ...use({ rpm: 60 }), levels: { calls: fullLevel(50), tokens: 0, at: START } }
    expect(withLimits(used, { ...NO_LIMITS, rpm }, START).levels.calls).toBe(fullLevel(left))
  })

  it('that is new begins full', () => {
    expect(withLimits(use({}), { ...NO_LIMITS, rpm: 5, tpm: 7 }, START).levels).toEqual({
      calls: fullLevel(5),
      tokens: fullLevel(7),
      at: START,
    })
  })

  it('is not refilled twice by a clock that went back', () => {
    const empty = { ...use({ rpm: 60 }), levels: { calls: 0, tokens: 0, at: at(60_000) } }
    const back = takeLimits('key', empty, call(1), START)
    expect(back).toMatchObject({ ok: false })
    expect(withLimits(empty, { ...NO_LIMITS, rpm: 60 }, START).levels).toEqual({ calls: 0, tokens: 0, at: at(60_000) })
  })
})

describe('the secrets of a key', () => {
  const hash = (n: number) => String(n).padStart(64, '0')
  const reroll = (key: Secrets, n: number, graceMs: number, now: Instant) =>
    rerolled(key, { keyId: aKey().id, secretHash: hash(n), hint: '', graceMs }, now)
  const good = (key: Secrets, now: Instant) => [0, 1, 2, 3, 4, 5, 6].filter((n) => isItsSecret(key, hash(n), now))
  const first: Secrets = { secretHash: hash(0), oldSecrets: [] }

  it('are two until the grace ends, and one from then on', () => {
    const key = reroll(first, 1, 1_000, START)
    expect([good(key, at(999)), oldUntil(key, at(999))]).toEqual([[0, 1], at(1_000)])
    expect([good(key, at(1_000)), oldUntil(key, at(1_000))]).toEqual([[1], null])
  })

  it('stay good as they were promised to be when a reroll is repeated, and no longer', () => {
    const key = reroll(reroll(first, 1, 1_000, START), 2, 5_000, at(500))
    expect([good(key, at(999)), oldUntil(key, at(999))]).toEqual([[0, 1, 2], at(5_500)])
    expect(good(key, at(1_000))).toEqual([1, 2])
    expect(good(key, at(5_500))).toEqual([2])
  })

  it('are one at once without a grace, whatever was promised before', () => {
    expect(good(reroll(reroll(first, 1, 1_000, START), 2, 0, START), START)).toEqual([2])
  })

  it('are five at most', () => {
    const key = [1, 2, 3, 4, 5, 6].reduce((before, n) => reroll(before, n, 1_000, START), first)
    expect(good(key, START)).toEqual([2, 3, 4, 5, 6])
  })
})

import { describe, expect, it } from 'vitest'
import { admit, type KeyState, type Standing } from '../../../../gateway/ledger/calls/admit.ts'
import {
  addSpending,
  currentSpending,
  NOTHING_SPENT,
  periodEnd,
  periodStart,
} from '../../../../gateway/ledger/limits/budget-period.ts'
import { NO_LIMITS, newUse } from '../../../../gateway/ledger/limits/limit-store.ts'
import type { Use } from '../../../../gateway/ledger/limits/limit-use.ts'
import { backOffMs } from '../../../../gateway/ledger/limits/limits.ts'
import { shareOf, sliceOf } from '../../../../gateway/ledger/book/sweep.ts'
import { fullLevel, refill, take } from '../../../../gateway/ledger/limits/token-bucket.ts'
import { BudgetPeriod } from '../../../../protocol/auth.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { instant, nanos, newAccountId, newCallId, tokens, type ModelId } from '../../../../protocol/units.ts'
import { aKey, MODEL, NODE, SECRET_HASH, START } from '../ledger-house.ts'

const at = (iso: string) => instant(Date.parse(iso))

describe('budget periods', () => {
  it.each([
    ['day', '2026-11-21T23:59:59.999Z', '2026-11-21T00:00:00.000Z', '2026-11-22T00:00:00.000Z'],
    ['week', '2026-11-22T23:59:59.999Z', '2026-11-16T00:00:00.000Z', '2026-11-23T00:00:00.000Z'],
    ['week', '2026-11-23T00:00:00.000Z', '2026-11-23T00:00:00.000Z', '2026-11-30T00:00:00.000Z'],
    ['month', '2026-12-31T12:00:00.000Z', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['month', '2028-02-29T12:00:00.000Z', '2028-02-01T00:00:00.000Z', '2028-03-01T00:00:00.000Z'],
  ] as const)('a %s around %s runs from %s to %s', (period, now, start, end) => {
    expect(new Date(periodStart(period, at(now))).toISOString()).toBe(start)
    expect(new Date(periodEnd(period, at(now)) ?? 0).toISOString()).toBe(end)
  })

  it('starts at nothing in a new period, and never gives a period twice when the clock goes back', () => {
    const monday = at('2026-11-23T10:00:00Z')
    const spent = addSpending(NOTHING_SPENT, nanos(5n), monday)
    const day = (iso: string) => currentSpending('day', spent, at(iso))
    expect(day('2026-11-23T23:59:59.999Z')).toEqual({ spentNanos: 5n, spentSince: at('2026-11-23T00:00:00Z') })
    expect(day('2026-11-22T10:00:00Z')).toEqual({ spentNanos: 5n, spentSince: at('2026-11-23T00:00:00Z') })
    expect(day('2026-11-24T00:00:00Z')).toEqual({ spentNanos: 0n, spentSince: at('2026-11-24T00:00:00Z') })
    expect(currentSpending('total', spent, at('2036-01-01T00:00:00Z'))).toEqual({ spentNanos: 5n, spentSince: 0 })
  })

  it('are all counted, so that a budget set later knows what was spent before it', () => {
    const charges: [string, bigint][] = [
      ['2026-10-31T10:00:00Z', 1n],
      ['2026-11-02T10:00:00Z', 10n],
      ['2026-11-23T10:00:00Z', 100n],
      ['2026-11-24T10:00:00Z', 1_000n],
    ]
    const spent = charges.reduce((sum, [when, charge]) => addSpending(sum, nanos(charge), at(when)), NOTHING_SPENT)
    const now = at('2026-11-24T12:00:00Z')
    expect(BudgetPeriod.options.map((period) => currentSpending(period, spent, now).spentNanos)).toEqual([
      1_000n,
      1_100n,
      1_110n,
      1_111n,
    ])
  })
})

describe('token buckets', () => {
  it('let a minute’s worth go at once, then refill evenly', () => {
    expect(take(fullLevel(60), 60, 60n)).toEqual({ ok: true, level: 0 })
    expect(take(0, 60, 1n)).toEqual({ ok: false, retryAfterMs: 1_000 })
    expect(take(refill(0, 60, 999), 60, 1n)).toEqual({ ok: false, retryAfterMs: 1 })
    expect(take(refill(0, 60, 1_000), 60, 1n)).toEqual({ ok: true, level: 0 })
  })

  it('never fill above a minute, nor by a clock that went back, nor lose precision at the largest limit', () => {
    expect(refill(0, 60, 10_000_000)).toBe(fullLevel(60))
    expect(refill(5, 60, -1_000)).toBe(5)
    expect(take(fullLevel(1_000_000_000), 1_000_000_000, 999_999_999n)).toEqual({ ok: true, level: 60_000 })
    expect(take(fullLevel(7), 7, 8n)).toEqual({ ok: false, retryAfterMs: null })
  })
})

type Case = Partial<KeyState & Use>

const rich = { availableNanos: nanos(100n), heldNanos: nanos(0n), vestingNanos: nanos(0n) }
const NO_ABORTS = { calls: 0, aborts: 0, at: instant(0), passedAt: instant(0) }
const limit = { nanos: nanos(100n), period: 'total', shadow: false } as const

/** A key with its use, in an account without limits. */
function standing(of: Case | null, over: Partial<Standing> = {}): Standing {
  const key = of && { ...aKey(), createdAt: START, revokedAt: null, oldSecrets: [], ...of }
  const keyUse = of && { ...newUse({ ...NO_LIMITS, ...of }, START), ...of }
  return {
    key,
    keyUse,
    accountUse: newUse(NO_LIMITS, START),
    balance: rich,
    frozen: null,
    aborts: NO_ABORTS,
    deniesCollection: false,
    ...over,
  }
}

const request = {
  callId: newCallId(START, systemRandom),
  keyId: aKey().id,
  secretHash: SECRET_HASH,
  modelId: MODEL,
  nodeIds: [NODE],
  amountNanos: nanos(100n),
  tokensMax: tokens(10),
  deadline: instant(START + 1_000),
  idempotency: null,
}

describe('admission', () => {
  it.each<[string, Case]>([
    ['a plain key', {}],
    ['a budget that exactly covers it', { limit }],
    ['the last of its calls', { rpm: 1 }],
    ['the last of its tokens', { tpm: 10 }],
    ['the last of its places', { concurrency: 2, openHolds: 1 }],
    ['a key in its last millisecond', { expiresAt: instant(START + 1) }],
    ['its model on the list', { models: [MODEL] }],
  ])('admits %s', (_, key) => {
    expect(admit(standing(key), request, START).ok).toBe(true)
  })

  it.each<[string, Case | null, string]>([
    ['an unknown key', null, 'invalid_api_key'],
    ['a wrong secret', { secretHash: `${'ab'.repeat(31)}ac` }, 'invalid_api_key'],
    ['a wrong secret of a revoked key', { secretHash: 'cd'.repeat(32), revokedAt: START }, 'invalid_api_key'],
    ['a revoked key', { revokedAt: START }, 'api_key_revoked'],
    ['a key that expires now', { expiresAt: START }, 'api_key_expired'],
    ['a key that may only manage', { scopes: ['manage'] }, 'scope_missing'],
    ['a model off its list', { models: ['souk/other'] }, 'model_not_allowed'],
    ['one place too many', { concurrency: 1, openHolds: 1 }, 'concurrency_limited'],
    ['one call too many', { rpm: 1, levels: { calls: 0, tokens: 0, at: START } }, 'rate_limited'],
    ['one token too many', { tpm: 9 }, 'rate_limited'],
    ['one nano above its budget', { limit: { ...limit, nanos: nanos(99n) } }, 'key_budget_exceeded'],
    [
      'one nano above what it spent before',
      { limit, ...addSpending(NOTHING_SPENT, nanos(1n), START) },
      'key_budget_exceeded',
    ],
    ['one nano above what it holds', { limit, heldNanos: nanos(1n) }, 'key_budget_exceeded'],
  ])('refuses %s', (_, key, code) => {
    expect(admit(standing(key), request, START)).toMatchObject({ ok: false, code })
  })

  it('refuses one nano above the balance, and says by how much', () => {
    const refusal = admit(standing({}, { balance: { ...rich, availableNanos: nanos(99n) } }), request, START)
    expect(refusal).toMatchObject({ ok: false, code: 'insufficient_funds' })
    expect(refusal.ok ? '' : refusal.detail).toContain('$0.000000100')
  })

  it('says when to come back, and does not when it never will help', () => {
    const slow = standing({ rpm: 6, levels: { calls: 0, tokens: 0, at: START } })
    expect(admit(slow, request, START)).toMatchObject({ code: 'rate_limited', retryAfterMs: 10_000 })
    expect(admit(slow, request, instant(START + 10_000)).ok).toBe(true)
    expect(admit(standing({ concurrency: 1, openHolds: 1 }), request, START)).toMatchObject({ retryAfterMs: 1_000 })
    expect(admit(standing({ tpm: 9 }), request, START)).not.toHaveProperty('retryAfterMs')
  })

  it('compares models exactly', () => {
    const other = { ...request, modelId: 'souk/tiny-chat-2' as ModelId }
    expect(admit(standing({ models: [MODEL] }), other, START)).toMatchObject({ code: 'model_not_allowed' })
  })
})

describe('the sweep', () => {
  it('goes on the next day where a slice had too many, until everybody had a turn', () => {
    const all = [...'abcdefg']
    expect(shareOf(all, 0, 7)).toEqual(all)
    expect([0, 1, 2].map((day) => shareOf(all, day, 3).join(''))).toEqual(['abc', 'def', 'gab'])
  })

  it('covers every id of a day exactly once', () => {
    const slices = Array.from({ length: 1_440 }, (_, minute) => sliceOf(minute))
    expect(slices[0]?.from).toBe('0000')
    expect(slices.at(-1)?.before).toBeNull()
    for (let i = 1; i < slices.length; i++) expect(slices[i]?.from).toBe(slices[i - 1]?.before)
    expect(slices.every(({ from, before }) => before === null || from < before)).toBe(true)
    for (const id of [...Array(200)].map(() => newAccountId(systemRandom)))
      expect(slices.filter(({ from, before }) => id >= from && (before === null || id < before))).toHaveLength(1)
  })
})

it('backs off by doubling, up to a ceiling', () => {
  expect([1, 2, 3, 30, 3_000].map(backOffMs)).toEqual([1_000, 2_000, 4_000, 600_000, 600_000])
})

// What an owner is told, as a rule and in real guards: once per crossing, in the transaction that crossed, and once in the registry.
import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'
import { alertWith, isBudgetReached, judgeBalance } from '../../../../gateway/ledger/events/account-events.ts'
import { NOTHING_SPENT } from '../../../../gateway/ledger/limits/budget-period.ts'
import { createEventBook } from '../../../../gateway/ledger/events/event-book.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { NO_LIMITS, newUse } from '../../../../gateway/ledger/limits/limit-store.ts'
import { instant, nanos, type KeyId } from '../../../../protocol/units.ts'
import { aClock, aCredit, aHold, aKey, anAccount, anEnd, aPayer, callFor, legsOf, START } from '../ledger-house.ts'
import type { TestAccount } from '../ledger-house.ts'

describe('a balance', () => {
  // threshold 100, low since, before, after -> told, low
  it.each<[bigint, boolean, bigint, bigint, boolean, boolean]>([
    [100n, false, 100n, 99n, true, true],
    [100n, false, 100n, 100n, false, false],
    [100n, false, 1_000n, 0n, true, true],
    [100n, false, 99n, 98n, false, false],
    [100n, false, 99n, 100n, false, false],
    // it dances: nothing more until it was a tenth above
    [100n, true, 109n, 99n, false, true],
    [100n, true, 99n, 109n, false, true],
    [100n, true, 99n, 110n, false, false],
    [100n, true, 110n, 99n, true, true],
    [100n, true, 98n, 97n, false, true],
    // what vests in time lifts it as well
    [100n, true, 500n, 400n, false, false],
    [0n, false, 1n, 0n, false, false],
    // one nano is no threshold that a tenth could be added to
    [1n, true, 0n, 1n, false, false],
  ])('threshold %d, low %s: from %d to %d', (threshold, isLow, before, after, told, low) => {
    const alert = { thresholdNanos: nanos(threshold), lowSince: isLow ? START : null }
    const judged = judgeBalance(alert, nanos(before), nanos(after), START)
    expect([judged.tell, judged.lowSince !== null]).toEqual([told, low])
  })

  it.each([
    [100n, 100n, false],
    [100n, 99n, true],
    [0n, 0n, false],
  ])('counts as low, without a word, when a threshold of %d meets %d', (threshold, balance, isLow) => {
    expect(alertWith(nanos(threshold), nanos(balance), START).lowSince).toBe(isLow ? START : null)
  })
})

describe('a budget', () => {
  const limit = (amount: bigint, period: 'day' | 'total' = 'total') => ({
    ...newUse({ ...NO_LIMITS, limit: { nanos: nanos(amount), period, shadow: false } }, START),
  })
  it.each([
    [100n, 79n, 1n, true],
    [100n, 79n, 0n, false],
    [100n, 78n, 1n, false],
    [100n, 0n, 100n, true],
    [100n, 80n, 1n, false],
    // four fifths of 7 are 5.6
    [7n, 5n, 1n, true],
    [7n, 4n, 1n, false],
    [0n, 0n, 0n, false],
  ])('of %d with %d spent is reached by a charge of %d: %s', (amount, spent, charge, isReached) => {
    const use = { ...limit(amount), spent: { ...NOTHING_SPENT.spent, total: nanos(spent) } }
    expect(isBudgetReached(use, nanos(charge), START)).toBe(isReached)
  })

  it('is reached anew in its next period, and never without a limit', () => {
    const spent = { ...limit(100n, 'day'), spent: { ...NOTHING_SPENT.spent, day: nanos(95n) }, spentAt: START }
    expect(isBudgetReached(spent, nanos(5n), START)).toBe(false)
    expect(isBudgetReached(spent, nanos(80n), instant(START + 86_400_000))).toBe(true)
    expect(isBudgetReached(newUse(NO_LIMITS, START), nanos(80n), START)).toBe(false)
  })
})

interface Told extends Record<string, SqlStorageValue> {
  id: string
  kind: string
  data: string
}
const told = async ({ sql }: TestAccount, kind?: string) => {
  const rows = await sql<Told>('SELECT id, kind, data FROM events ORDER BY n')
  return rows
    .filter((row) => kind === undefined || row.kind === kind)
    .map(({ data, ...row }) => ({ ...row, data: JSON.parse(data) as Record<string, unknown> })) // the guard's own JSON
}
const registered = async ({ id }: TestAccount) =>
  (await env.DB.prepare('SELECT kind, data FROM events WHERE account_id = ? ORDER BY at').bind(id).all()).results

describe('a guard', () => {
  it('tells of a low balance once per fall, below a dollar unless told otherwise', async () => {
    const payer = await aPayer(1_000_000_100n)
    const payee = await anAccount()
    expect(await payer.port.alerts()).toEqual({ balanceLowNanos: 1_000_000_000n, version: 0 })
    await callFor(payer, 100n, payee.id)
    expect(await told(payer)).toEqual([])
    await callFor(payer, 1n, payee.id)
    await callFor(payer, 1n, payee.id)
    expect(await told(payer)).toEqual([
      {
        id: 'balance-low:3',
        kind: 'balance.low',
        data: { threshold: '1.000000000', balance: '0.999999999', held: '0.000000000', seq: 3 },
      },
    ])
    const topUp = { kind: 'grant', amountNanos: nanos(100_000_000n), reason: 'test', by: null } as const
    await payer.port.grant({ ...topUp, transferId: 'not enough' })
    await callFor(payer, 100_000_000n, payee.id)
    expect(await told(payer)).toHaveLength(1)
    await payer.port.grant({ ...topUp, transferId: 'enough', amountNanos: nanos(110_000_000n) })
    await callFor(payer, 110_000_000n, payee.id)
    expect(await told(payer)).toHaveLength(2)
  })

  it('takes a threshold from its owner; the same again does not make it forget that it has told', async () => {
    const payer = await aPayer(500n)
    const payee = await anAccount()
    expect(await payer.port.setAlerts({ balanceLowNanos: nanos(500n) })).toEqual({
      ...{ ok: true, balanceLowNanos: 500n, version: 1 },
    })
    await callFor(payer, 1n, payee.id)
    expect(await told(payer)).toHaveLength(1)
    // A little above the threshold, and so not recovered.
    const little = { transferId: 'little', kind: 'grant', amountNanos: nanos(5n), reason: 'test', by: null } as const
    await payer.port.grant(little)
    await payer.port.setAlerts({ balanceLowNanos: nanos(500n) })
    await callFor(payer, 6n, payee.id)
    expect(await told(payer)).toHaveLength(1)
    await payer.port.setAlerts({ balanceLowNanos: nanos(498n) })
    await callFor(payer, 1n, payee.id)
    expect(await told(payer)).toHaveLength(2)
    await payer.port.setAlerts({ balanceLowNanos: nanos(0n) })
    await callFor(payer, 497n, payee.id)
    expect(await told(payer)).toHaveLength(2)
    expect(await payer.port.setAlerts({ balanceLowNanos: nanos(-1n) })).toMatchObject({ ok: false })
  })

  it('is not alarmed by what is only held', async () => {
    const payer = await aPayer(1_000_000_000n)
    const payee = await anAccount()
    const wide = aHold(payer, 900_000_000n)
    expect(await payer.port.hold(wide)).toMatchObject({ ok: true })
    expect(await payer.port.capture(anEnd(payer, wide.callId, { outcome: 'failed' }))).toMatchObject({ ok: true })
    expect(await told(payer)).toEqual([])
    await payer.port.hold(aHold(payer, 500_000_000n))
    await callFor(payer, 1n, payee.id)
    expect((await told(payer))[0]?.data).toMatchObject({ balance: '0.499999999', held: '0.500000000' })
  })

  it('does not count what vests later, neither before nor after it came', async () => {
    const clock = aClock()
    const payer = await aPayer(1_000_000_000n, {}, clock)
    const payee = await anAccount()
    const until = instant(START + 1_000)
    const vesting = [{ until, amountNanos: nanos(5_000_000_000n) }]
    await payer.port.credit({ ...aCredit(payee.id, 1, 1, 5_000_000_000n), vesting })
    await callFor(payer, 1n, payee.id)
    expect(await told(payer)).toHaveLength(1)
    clock.advance(1_000)
    await callFor(payer, 1n, payee.id)
    await callFor(payer, 5_000_000_000n, payee.id)
    expect(await told(payer)).toHaveLength(2)
  })

  it('tells of a key’s and of the account’s budget at four fifths, once per period and limit', async () => {
    const clock = aClock()
    const limit = { nanos: nanos(100n), period: 'day', shadow: false } as const
    const payer = await aPayer(1_000n, { limit, name: 'laptop' }, clock)
    const payee = await anAccount()
    const limits = { ...NO_LIMITS, limit: { nanos: nanos(200n), period: 'total', shadow: true } } as const
    await payer.port.setLimits(limits)
    await callFor(payer, 79n, payee.id)
    expect(await told(payer)).toEqual([])
    await callFor(payer, 1n, payee.id)
    await callFor(payer, 1n, payee.id)
    const resetsAt = new Date(START - (START % 86_400_000) + 86_400_000).toISOString()
    expect((await told(payer)).map(({ data }) => data)).toEqual([
      {
        keyId: payer.keyId,
        keyName: 'laptop',
        limit: '0.000000100',
        spent: '0.000000080',
        period: 'day',
        resetsAt,
        shadow: false,
      },
    ])
    clock.advance(86_400_000)
    await callFor(payer, 100n, payee.id)
    const again = await told(payer, 'budget.reached')
    expect(again.map(({ data }) => [data.keyId, data.spent, data.shadow])).toEqual([
      [payer.keyId, '0.000000080', false],
      [payer.keyId, '0.000000100', false],
      [null, '0.000000181', true],
    ])
    expect(new Set(again.map(({ id }) => id)).size).toBe(3)
  })

  it('tells of freezing and unfreezing', async () => {
    const account = await anAccount()
    const admin = (await anAccount()).id
    await account.port.freeze({ cause: 'admin', reason: 'looks odd', by: admin })
    await account.port.freeze({ cause: 'admin', reason: 'again', by: admin })
    await account.port.unfreeze('it was fine', admin)
    expect((await told(account)).map(({ kind, data }) => [kind, data])).toEqual([
      ['account.frozen', { cause: 'admin', reason: 'looks odd' }],
      ['account.unfrozen', { reason: 'it was fine' }],
    ])
  })

  it('hands each event to the registry once, whichever answers are lost on the way', async () => {
    const payer = await aPayer(1_000_000_000n)
    const payee = await anAccount()
    await callFor(payer, 1n, payee.id)
    let sent = 0
    const tell = createEventBook(env.DB)
    await payer.use({
      events: async (...event) => {
        await tell(...event)
        sent += 1
        if (sent === 1) throw new Error('planned: the answer is lost')
      },
    })
    const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    payer.clock.advance(LEDGER.alarmMs)
    await payer.port.tick()
    expect(quiet).toHaveBeenCalledTimes(1)
    quiet.mockRestore()
    payer.clock.advance(LEDGER.retryMs)
    await payer.port.tick()
    expect(sent).toBe(2)
    expect(await told(payer)).toEqual([])
    expect(await registered(payer)).toHaveLength(1)
    await payer.port.tick()
    expect(sent).toBe(2)
  })

  it('tells nothing of a key that spends without a limit', async () => {
    const payer = await aPayer(10n)
    await payer.port.createKey(aKey({ id: 'unlimited0' as KeyId }))
    const request = aHold(payer, 10n)
    await payer.port.hold(request)
    await payer.port.capture(anEnd(payer, request.callId, { legs: legsOf(payer.id, 10n, (await anAccount()).id) }))
    expect(await told(payer)).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { SIGN_IN } from '../../../../gateway/core/limits.ts'
import { createRefundRoutes } from '../../../../gateway/ledger/refunds/refund-routes.ts'
import { sharesOf } from '../../../../gateway/ledger/refunds/refund-shares.ts'
import type { Accounts } from '../../../../gateway/ledger/account-port.ts'
import { NO_LIMITS } from '../../../../gateway/ledger/limits/limit-store.ts'
import { AccountMoneyReply, RefundReply } from '../../../../protocol/money.ts'
import { HOUSE, nanos, newAccountId, type AccountId } from '../../../../protocol/units.ts'
import { env } from 'cloudflare:workers'
import { accounts, aClock, aPayer, callFor, plannedFailures, START, type TestAccount } from '../ledger-house.ts'
import { ADMIN, admin, anApi, aRegistered, signedIn } from '../money-house.ts'

plannedFailures()

const apiWith = (reach: Accounts = accounts) =>
  anApi(createRefundRoutes({ db: env.DB, accounts: reach, clock: aClock(), random: systemRandom }))

/** 1000 nanos: royalty 30, fee 50, the node's share 920; both arrived. */
async function aPaidCall() {
  const payer = await aPayer(10_000n)
  await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(payer.id, START).run()
  const [operator, author] = [await aRegistered(payer.clock), await aRegistered(payer.clock)]
  const { request } = await callFor(payer, 1_000n, operator.id, author.id)
  payer.clock.advance(300)
  await payer.port.tick()
  const body = { accountId: payer.id, callId: request.callId, reason: 'wrong answer', id: '1' }
  return { payer, operator, author, body }
}
const available = async (account: Pick<TestAccount, 'port'>) => (await account.port.balance()).availableNanos
const entry = (accountId: AccountId, usd: bigint, taken = usd, error: string | null = null) => {
  const dollars = (amount: bigint) => `0.${String(amount).padStart(9, '0')}`
  return { accountId, usd: dollars(usd), taken: dollars(taken), owed: dollars(usd - taken), error }
}

describe('the shares of a refund', () => {
  const [payer, operator, author] = ['a', 'b', 'c'].map((name) => name.repeat(16) as AccountId) as [
    AccountId,
    AccountId,
    AccountId,
  ]
  const leg = (party: AccountId, role: 'payer' | 'operator' | 'author' | 'house', amount: bigint) => ({
    party,
    role,
    amountNanos: nanos(amount),
  })
  it.each([
    ['all of it', 999n, [921n, 29n]],
    ['a part, each rounded down', 500n, [460n, 14n]],
    ['one nano, which the house bears', 1n, []],
  ])('%s', (_, refunded, amounts) => {
    const [first, second] = [leg(operator, 'operator', 461n), leg(operator, 'operator', 460n)]
    const legs = [leg(payer, 'payer', -999n), first, second, leg(author, 'author', 29n), leg(HOUSE.fees, 'house', 49n)]
    expect(sharesOf(legs, payer, nanos(refunded)).map(({ amountNanos }) => amountNanos)).toEqual(amounts)
  })

  it('leave out the payer’s own and the house’s', () => {
    const legs = [leg(payer, 'payer', -100n), leg(operator, 'operator', 90n), leg(payer, 'author', 5n)]
    expect(sharesOf([...legs, leg(HOUSE.fees, 'house', 5n)], payer, nanos(95n))).toEqual([
      { accountId: operator, amountNanos: 90n },
    ])
    expect(sharesOf([leg(payer, 'payer', -95n), leg(payer, 'operator', 95n)], payer, nanos(0n))).toEqual([])
  })
})

describe('a refund', () => {
  it('at the house’s expense leaves the earners alone', async () => {
    const { payer, operator, author, body } = await aPaidCall()
    const { status, body: said } = await apiWith().ask(admin, 'POST', '/admin/refunds', body)
    expect(status).toBe(200)
    expect(RefundReply.parse(said)).toMatchObject({ usd: '0.000001000', takenBack: [], house: '0.000001000' })
    expect([await available(payer), await available(operator), await available(author)]).toEqual([10_000n, 920n, 30n])
  })

  it('at the earners’ takes their shares back, and says what it took and what they did not have', async () => {
    const { payer, operator, author, body } = await aPaidCall()
    await callFor({ ...payer, ...operator, keyId: (await aKeyOf(operator)).keyId }, 900n, ADMIN)
    const ask = () => apiWith().ask(admin, 'POST', '/admin/refunds', { ...body, from: 'earners' })
    const first = await ask()
    const { takenBack, house } = RefundReply.parse(first.body)
    expect(takenBack).toEqual([entry(operator.id, 920n, 20n), entry(author.id, 30n)])
    expect(house).toBe('0.000000950')
    expect(await ask()).toEqual(first)
    expect([await available(payer), await available(operator), await available(author)]).toEqual([10_000n, 0n, 0n])
  })

  it('that was cut off after the payer’s part, or at one earner, is finished by asking again', async () => {
    const { payer, operator, author, body } = await aPaidCall()
    const away: Accounts = (id) => ({
      ...accounts(id),
      ...(id === author.id ? { takeBack: () => Promise.reject(new Error('planned: away')) } : {}),
    })
    const asked = { ...body, usd: '0.0000005', from: 'earners' }
    const first = await apiWith(away).ask(admin, 'POST', '/admin/refunds', asked)
    expect(RefundReply.parse(first.body).takenBack).toEqual([
      entry(operator.id, 460n),
      entry(author.id, 15n, 0n, 'unavailable'),
    ])
    const again = RefundReply.parse((await apiWith().ask(admin, 'POST', '/admin/refunds', asked)).body)
    expect(again).toMatchObject({ takenBack: [entry(operator.id, 460n), entry(author.id, 15n)], house: '0.000000025' })
    expect([await available(payer), await available(operator), await available(author)]).toEqual([9_500n, 460n, 15n])
  })

  it('of the same id with another amount, or beyond the charge, is refused', async () => {
    const { payer, body } = await aPaidCall()
    const api = apiWith()
    await api.ask(admin, 'POST', '/admin/refunds', { ...body, usd: '0.0000006' })
    const codes = []
    for (const other of [{ usd: '0.0000005' }, { id: '2', usd: '0.000000401' }, { id: '2', usd: '0.0000004' }])
      codes.push((await api.ask(admin, 'POST', '/admin/refunds', { ...body, ...other })).code)
    expect(codes).toEqual(['conflict', 'refund_exceeds_charge', undefined])
    expect(await available(payer)).toBe(10_000n)
  })

  it('is for admins who signed in lately, about accounts and calls that exist', async () => {
    const { body } = await aPaidCall()
    const stale = signedIn(ADMIN, ['admin'], (START - SIGN_IN.freshMs - 1) as typeof START)
    const stranger = newAccountId(systemRandom)
    const cases = [
      [null, body, 'not_signed_in'],
      [signedIn(body.accountId), body, 'forbidden'],
      [stale, body, 'fresh_sign_in_required'],
      [admin, { ...body, accountId: stranger }, 'not_found'],
      [admin, { ...body, accountId: HOUSE.fees }, 'invalid_request'],
      [admin, { ...body, callId: 'call_0' }, 'invalid_request'],
      [admin, { ...body, callId: `call_${'0'.repeat(26)}` }, 'call_not_found'],
      [admin, { ...body, from: 'nobody' }, 'invalid_request'],
      [admin, { ...body, usd: '0' }, 'invalid_request'],
    ] as const
    for (const [who, wrong, code] of cases)
      expect((await apiWith().ask(who, 'POST', '/admin/refunds', wrong)).code).toBe(code)
  })
})

describe('what an account’s money consists of', () => {
  it('is there for admins to read, and for nobody else', async () => {
    const { operator } = await aPaidCall()
    const path = `/admin/accounts/${operator.id}`
    const { status, body } = await apiWith().ask(admin, 'GET', path)
    expect(status).toBe(200)
    expect(AccountMoneyReply.parse(body)).toMatchObject({
      accountId: operator.id,
      balance: '0.000000920',
      withdrawable: '0.000000920',
      fees: '0.000000050',
      vestingParts: [],
      frozen: null,
      seq: 1,
    })
    expect(body).toMatchObject({ limits: { limit: null, version: 0 }, keys: [] })
    const { keyId } = await aKeyOf(operator)
    await operator.port.setLimits({ ...NO_LIMITS, rpm: 60 })
    const after = AccountMoneyReply.parse((await apiWith().ask(admin, 'GET', path)).body)
    expect(after).toMatchObject({ limits: { rateLimit: { rpm: 60 }, version: 1 }, keys: [{ id: keyId, limit: null }] })
    // What a key may spend, and nothing of what it is recognised by.
    expect(Object.keys(after.keys?.[0] ?? {})).not.toContain('hint')
    await operator.port.freeze({ cause: 'admin', reason: 'looking', by: ADMIN })
    expect((await apiWith().ask(admin, 'GET', path)).body).toMatchObject({ frozen: { cause: 'admin', by: ADMIN } })
    expect((await apiWith().ask(signedIn(operator.id), 'GET', path)).code).toBe('forbidden')
    for (const other of [newAccountId(systemRandom), HOUSE.fees, 'x'])
      expect((await apiWith().ask(admin, 'GET', `/admin/accounts/${other}`)).code).toBe('not_found')
  })
})

async function aKeyOf(account: TestAccount) {
  const { aKey } = await import('../ledger-house.ts')
  const key = aKey()
  await account.port.createKey(key)
  return { keyId: key.id }
}

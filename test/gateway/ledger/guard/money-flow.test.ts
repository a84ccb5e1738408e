// Money that goes back or out, at the guard: each id moves once, nobody falls below zero, and what cannot be taken is said.
import { describe, expect, it } from 'vitest'
import { parseLine } from '../../../../protocol/journal.ts'
import { HOUSE, instant, nanos, newCallId } from '../../../../protocol/units.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import type { RefundRequest, TakeBackRequest, WithdrawRequest } from '../../../../gateway/ledger/transfer-port.ts'
import { aCredit, aHold, anAccount, anEnd, aPayer, callFor, legsOf, START, type TestAccount } from '../ledger-house.ts'

const ADMIN = '0000000000000adm' as RefundRequest['by']
const USD = 1_000_000_000n
const refundOf = (callId: string, amount: bigint | null, over: Partial<RefundRequest> = {}): RefundRequest => ({
  transferId: 'refund:1',
  callId,
  amountNanos: amount === null ? null : nanos(amount),
  reason: 'wrong answer',
  by: ADMIN,
  ...over,
})
const aTaking = (amount: bigint, over: Partial<TakeBackRequest> = {}): TakeBackRequest => ({
  transferId: 'clawback:1',
  kind: 'clawback',
  of: 'call_x',
  ofAccount: ADMIN,
  amountNanos: nanos(amount),
  reason: 'refunded',
  by: ADMIN,
  ...over,
})
const aWithdrawal = (amount: bigint, over: Partial<WithdrawRequest> = {}): WithdrawRequest => ({
  transferId: 'withdrawal:1',
  amountNanos: nanos(amount),
  address: '0x0000000000000000000000000000000000000001',
  ...over,
})
const topup = (amount: bigint) =>
  ({ transferId: 'topup:stripe:pi_1', kind: 'topup', amountNanos: nanos(amount), reason: 'card', by: null }) as const
const lastLine = async (account: TestAccount) => parseLine((await account.lines()).at(-1)?.body ?? '')
const legs = async (account: TestAccount) =>
  (await lastLine(account)).legs.map(({ party, amountNanos }) => [party, amountNanos])
/** An account that earned this much of somebody. */
async function anEarner(amount: bigint): Promise<TestAccount> {
  const earner = await anAccount()
  await earner.port.credit(aCredit(ADMIN, 1, 1, amount))
  return earner
}

describe('a refund', () => {
  it('gives back a call’s charge from the house, once per id, with its legs and what it corrects', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await callFor(payer, 100n, (await anAccount()).id)
    const first = await payer.port.refund(refundOf(request.callId, 60n))
    expect(first).toMatchObject({ ok: true, movedNanos: 60n, balance: { availableNanos: 960n } })
    expect(await payer.port.refund(refundOf(request.callId, 60n))).toEqual(first)
    expect(await legs(payer)).toEqual([
      [HOUSE.refunds, -60n],
      [payer.id, 60n],
    ])
    const correction = { of: request.callId, ofAccount: payer.id, reason: 'wrong answer', by: ADMIN, owedNanos: 0n }
    expect(await lastLine(payer)).toMatchObject({ kind: 'refund', deltaNanos: 60n, correction })
    expect(await payer.port.refund(refundOf(request.callId, 61n))).toMatchObject({ ok: false, code: 'conflict' })
    expect(await payer.sql(`SELECT kind FROM events WHERE kind = 'refund.created'`)).toHaveLength(1)
  })

  it('never passes the charge, all refunds of the call together', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await callFor(payer, 100n, (await anAccount()).id)
    await payer.port.refund(refundOf(request.callId, 60n))
    const more = (amount: bigint | null) => payer.port.refund(refundOf(request.callId, amount, { transferId: 'r:2' }))
    expect(await more(41n)).toMatchObject({ ok: false, code: 'refund_exceeds_charge' })
    expect(await more(null)).toMatchObject({ ok: true, movedNanos: 40n })
    const third = refundOf(request.callId, null, { transferId: 'r:3' })
    expect(await payer.port.refund(third)).toMatchObject({ ok: false, code: 'refund_exceeds_charge' })
    expect((await payer.port.balance()).availableNanos).toBe(1_000n)
  })

  it('never makes its receiver richer than without the call: a share it earned itself has come back already', async () => {
    const payer = await aPayer(1_000n)
    await callFor(payer, 100n, payer.id)
    const request = aHold(payer, 100n)
    await payer.port.hold(request)
    await payer.port.capture(anEnd(payer, request.callId, { legs: legsOf(payer.id, 100n, payer.id) }))
    expect(await payer.port.refund(refundOf(request.callId, 6n))).toMatchObject({ code: 'refund_exceeds_charge' })
    expect(await payer.port.refund(refundOf(request.callId, null))).toMatchObject({ ok: true, movedNanos: 5n })
  })

  it('is for ended calls of this account that cost something', async () => {
    const payer = await aPayer(1_000n)
    const open = aHold(payer, 10n)
    await payer.port.hold(open)
    const stranger = newCallId(START, systemRandom)
    for (const callId of [open.callId, stranger, 'grant:first'])
      expect(await payer.port.refund(refundOf(callId, 1n))).toMatchObject({ ok: false, code: 'call_not_found' })
    await payer.port.capture(anEnd(payer, open.callId))
    expect(await payer.port.refund(refundOf(open.callId, null))).toMatchObject({ code: 'refund_exceeds_charge' })
    for (const amount of [0n, -1n])
      expect(await payer.port.refund(refundOf(open.callId, amount))).toMatchObject({ code: 'invalid_request' })
    expect((await payer.port.balance()).availableNanos).toBe(1_000n)
  })

  it('of twenty at once for the same call, none passes the charge', async () => {
    const payer = await aPayer(1_000n)
    const { request } = await callFor(payer, 100n, (await anAccount()).id)
    const asked = Array.from({ length: 20 }, (_, n) => refundOf(request.callId, 30n, { transferId: `r:${n}` }))
    const replies = await Promise.all(asked.map((one) => payer.port.refund(one)))
    expect(replies.filter(({ ok }) => ok)).toHaveLength(3)
    expect((await payer.port.balance()).availableNanos).toBe(990n)
  })
})

describe('money taken back', () => {
  it('is at most what is not held, the rest is owed, and the same id is the same answer', async () => {
    const payer = await aPayer(100n)
    await payer.port.hold(aHold(payer, 30n))
    const first = await payer.port.takeBack(aTaking(90n))
    expect(first).toMatchObject({ ok: true, takenNanos: 70n, owedNanos: 20n })
    expect(await payer.port.balance()).toEqual({ availableNanos: 0n, heldNanos: 30n, vestingNanos: 0n })
    expect(await legs(payer)).toEqual([
      [payer.id, -70n],
      [HOUSE.refunds, 70n],
    ])
    await payer.port.grant({ transferId: 'g2', kind: 'grant', amountNanos: nanos(500n), reason: 'x', by: null })
    expect(await payer.port.takeBack(aTaking(90n))).toMatchObject({ takenNanos: 70n, owedNanos: 20n })
    expect(await payer.port.takeBack(aTaking(91n))).toMatchObject({ ok: false, code: 'conflict' })
    expect((await payer.port.balance()).availableNanos).toBe(500n)
  })

  it('is on record once even when there was nothing to take', async () => {
    const account = await anAccount()
    expect(await account.port.takeBack(aTaking(5n))).toMatchObject({ ok: true, takenNanos: 0n, owedNanos: 5n })
    expect(await lastLine(account)).toMatchObject({ kind: 'clawback', legs: [], correction: { owedNanos: 5n } })
    await account.port.takeBack(aTaking(5n))
    expect(await account.lines()).toHaveLength(1)
    expect(await account.port.frozen()).toBeNull()
  })

  it('takes vesting money after the rest, the latest first, and never locks up what comes later', async () => {
    const earner = await anAccount()
    const later = (days: number) => instant(START + days * 86_400_000)
    const vesting = [
      { until: later(1), amountNanos: nanos(20n) },
      { until: later(2), amountNanos: nanos(30n) },
    ]
    await earner.port.credit({ ...aCredit(ADMIN, 1, 1, 100n), vesting })
    expect(await earner.port.takeBack(aTaking(85n))).toMatchObject({ takenNanos: 85n, owedNanos: 0n })
    expect(await earner.port.balance()).toEqual({ availableNanos: 0n, heldNanos: 0n, vestingNanos: 15n })
    expect((await earner.port.money())?.vesting).toEqual([{ until: later(1), amountNanos: 15n }])
    await earner.port.grant({ transferId: 'g', kind: 'grant', amountNanos: nanos(10n), reason: 'x', by: null })
    expect((await earner.port.balance()).availableNanos).toBe(10n)
  })
})

describe('a chargeback', () => {
  const chargeback = (amount: bigint, over: Partial<TakeBackRequest> = {}) =>
    aTaking(amount, { transferId: 'chargeback:1', kind: 'chargeback', of: 'topup:stripe:pi_1', by: null, ...over })

  it('that leaves something owed freezes the account in the same breath, and only then', async () => {
    const whole = await aPayer(0n)
    await whole.port.grant(topup(50n))
    expect(await whole.port.takeBack(chargeback(50n))).toMatchObject({ takenNanos: 50n, owedNanos: 0n })
    expect(await whole.port.frozen()).toBeNull()
    expect(await legs(whole)).toEqual([
      [whole.id, -50n],
      [HOUSE.payments, 50n],
    ])

    const spent = await aPayer(0n)
    await spent.port.grant(topup(50n))
    await callFor(spent, 20n, (await anAccount()).id)
    expect(await spent.port.takeBack(chargeback(50n))).toMatchObject({ takenNanos: 30n, owedNanos: 20n })
    expect(await spent.port.frozen()).toMatchObject({ cause: 'chargeback' })
    expect(await spent.port.hold(aHold(spent, 0n))).toMatchObject({ ok: false, code: 'account_frozen' })
    await spent.port.takeBack(chargeback(50n))
    expect((await spent.lines()).map(({ body }) => parseLine(body).kind)).toEqual([
      'topup',
      'call',
      'chargeback',
      'freeze',
    ])
  })

  it('of a payment that never arrived here is refused', async () => {
    const account = await aPayer(100n)
    for (const of of ['topup:stripe:pi_1', 'grant:first'])
      expect(await account.port.takeBack(chargeback(5n, { of }))).toMatchObject({ ok: false, code: 'not_found' })
    expect((await account.port.balance()).availableNanos).toBe(100n)
  })

  it('by totals takes each step once, in any order', async () => {
    const totals = [30n, 10n, 30n, 20n, 50n, 40n]
    const account = await aPayer(0n)
    await account.port.grant(topup(100n))
    for (const total of [...totals, ...totals])
      await account.port.takeBack(chargeback(total, { transferId: `refunded:${total}`, isTotal: true }))
    expect((await account.port.balance()).availableNanos).toBe(50n)
    expect(await account.lines()).toHaveLength(3)
  })

  it('that was decided for the account gives back exactly what it took, once', async () => {
    const account = await aPayer(0n)
    await account.port.grant(topup(50n))
    await callFor(account, 20n, (await anAccount()).id)
    const won = { chargeback: 'chargeback:1', reason: 'won' }
    expect(await account.port.reinstate(won)).toMatchObject({ ok: false, code: 'not_found' })
    await account.port.takeBack(chargeback(50n))
    const first = await account.port.reinstate(won)
    expect(first).toMatchObject({ ok: true, movedNanos: 30n, balance: { availableNanos: 30n } })
    expect(await account.port.reinstate(won)).toEqual(first)
    expect(await account.port.reinstate({ chargeback: 'topup:stripe:pi_1', reason: 'x' })).toMatchObject({ ok: false })
    // Somebody looks at it before the account spends again.
    expect(await account.port.frozen()).not.toBeNull()
  })
})

describe('a withdrawal', () => {
  it('takes earnings out, once per id', async () => {
    const earner = await anEarner(5n * USD)
    const first = await earner.port.withdraw(aWithdrawal(2n * USD))
    expect(first).toMatchObject({ ok: true, balance: { availableNanos: 3n * USD } })
    expect(await earner.port.withdraw(aWithdrawal(2n * USD))).toEqual(first)
    expect(await legs(earner)).toEqual([
      [earner.id, -2n * USD],
      [HOUSE.payouts, 2n * USD],
    ])
    const address = '0x0000000000000000000000000000000000000002'
    for (const other of [aWithdrawal(USD), aWithdrawal(2n * USD, { address })])
      expect(await earner.port.withdraw(other)).toMatchObject({ ok: false, code: 'conflict' })
    expect((await earner.port.money())?.withdrawableNanos).toBe(3n * USD)
  })

  it('never takes out gifts, payments or refunds, nor what is held or vests later', async () => {
    const payer = await aPayer(10n * USD)
    await payer.port.grant(topup(10n * USD))
    const { request } = await callFor(payer, USD, (await anAccount()).id)
    await payer.port.refund(refundOf(request.callId, null))
    expect(await payer.port.withdraw(aWithdrawal(1_000n))).toMatchObject({ ok: false, code: 'not_withdrawable' })

    const vesting = [{ until: instant(START + 1_000), amountNanos: nanos(2n * USD) }]
    await payer.port.credit({ ...aCredit(ADMIN, 1, 1, 5n * USD), vesting })
    expect(await payer.port.withdraw(aWithdrawal(3n * USD + 1_000n))).toMatchObject({ code: 'not_withdrawable' })
    await payer.port.hold(aHold(payer, 21n * USD))
    expect(await payer.port.withdraw(aWithdrawal(2n * USD + 1_000n))).toMatchObject({ code: 'not_withdrawable' })
    expect(await payer.port.withdraw(aWithdrawal(2n * USD))).toMatchObject({ ok: true })
  })

  it('is refused to a frozen account, below USDC’s smallest unit, and for nothing', async () => {
    const earner = await anEarner(5n * USD)
    await earner.port.withdraw(aWithdrawal(USD))
    for (const amount of [0n, -1_000n, 1_001n])
      expect(await earner.port.withdraw(aWithdrawal(amount, { transferId: 'w2' }))).toMatchObject({
        code: 'invalid_request',
      })
    await earner.port.freeze({ cause: 'admin', reason: 'x', by: ADMIN })
    expect(await earner.port.withdraw(aWithdrawal(USD, { transferId: 'w2' }))).toMatchObject({ code: 'account_frozen' })
    // What was taken out before it was frozen is the same answer still.
    expect(await earner.port.withdraw(aWithdrawal(USD))).toMatchObject({ ok: true })
  })

  it('comes back once, to the nano, and is earnings again', async () => {
    const earner = await anEarner(5n * USD)
    await earner.port.withdraw(aWithdrawal(2n * USD))
    const back = { transferId: 'return:1', withdrawal: 'withdrawal:1', reason: 'no such wallet', by: ADMIN }
    const first = await earner.port.returnWithdrawal(back)
    expect(first).toMatchObject({ ok: true, movedNanos: 2n * USD })
    expect(await earner.port.returnWithdrawal(back)).toEqual(first)
    expect(await earner.port.returnWithdrawal({ ...back, transferId: 'return:2' })).toMatchObject({ code: 'conflict' })
    for (const withdrawal of ['withdrawal:2', `credit:${ADMIN}:1-1`])
      expect(await earner.port.returnWithdrawal({ ...back, transferId: 'return:3', withdrawal })).toMatchObject({
        code: 'not_found',
      })
    expect((await earner.port.money())?.withdrawableNanos).toBe(5n * USD)
    expect(await legs(earner)).toEqual([
      [HOUSE.payouts, -2n * USD],
      [earner.id, 2n * USD],
    ])
  })
})

describe('an audit', () => {
  const audit = (n: number, amount: bigint) => ({ transferId: `audit:${n}`, amountNanos: nanos(amount), reason: 'a' })

  it('pays at most what the operator’s other calls brought the house, and says what it paid', async () => {
    const operator = await anAccount()
    await operator.port.credit({ ...aCredit(ADMIN, 1, 1, 900n), feesNanos: nanos(50n) })
    const first = await operator.port.payAudit(audit(1, 30n))
    expect(first).toMatchObject({ ok: true, movedNanos: 30n, balance: { availableNanos: 930n } })
    expect(await operator.port.payAudit(audit(1, 30n))).toEqual(first)
    expect(await operator.port.payAudit(audit(1, 29n))).toMatchObject({ ok: false, code: 'conflict' })
    expect(await operator.port.payAudit(audit(2, 30n))).toMatchObject({ movedNanos: 20n })
    expect(await operator.port.payAudit(audit(3, 30n))).toMatchObject({ movedNanos: 0n })
    // More fees later do not pay what was settled with nothing.
    await operator.port.credit({ ...aCredit(ADMIN, 2, 2, 900n), feesNanos: nanos(50n) })
    expect(await operator.port.payAudit(audit(3, 30n))).toMatchObject({ movedNanos: 0n })
    expect(await operator.port.payAudit(audit(4, 50n))).toMatchObject({ movedNanos: 50n })
    expect(await legs(operator)).toEqual([
      [HOUSE.audits, -50n],
      [operator.id, 50n],
    ])
    expect(await operator.sql('SELECT * FROM credits_out')).toEqual([])
  })
})

it('every way of moving money is refused by a guard that was never opened', async () => {
  const { accounts } = await import('../ledger-house.ts')
  const port = accounts('0000000000000zzz' as RefundRequest['by'])
  const replies = await Promise.all([
    port.refund(refundOf('call_x', 1n)),
    port.takeBack(aTaking(1n)),
    port.reinstate({ chargeback: 'x', reason: 'x' }),
    port.withdraw(aWithdrawal(1_000n)),
    port.returnWithdrawal({ transferId: 'x', withdrawal: 'x', reason: 'x', by: ADMIN }),
    port.payAudit({ transferId: 'x', amountNanos: nanos(1n), reason: 'x' }),
  ])
  for (const reply of replies) expect(reply).toMatchObject({ ok: false, code: 'not_found' })
  expect(await port.money()).toBeNull()
})

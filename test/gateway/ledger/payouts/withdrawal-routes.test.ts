// Money out, from the request to the payment: filed once, paid once, returned once, whoever asks at the same time and wherever it was cut off.
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { SIGN_IN } from '../../../../gateway/core/limits.ts'
import type { Accounts } from '../../../../gateway/ledger/account-port.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { createWithdrawalRoutes } from '../../../../gateway/ledger/payouts/withdrawal-routes.ts'
import {
  PaidReply,
  PayoutFile,
  PayoutReply,
  Withdrawal,
  WithdrawalAdminPage,
  WithdrawalPage,
} from '../../../../protocol/money.ts'
import { newAccountId } from '../../../../protocol/units.ts'
import { accounts, aClock, plannedFailures, START, type TestAccount } from '../ledger-house.ts'
import { ADMIN, admin, anApi, aRegistered, earn, signedIn, WALLET } from '../money-house.ts'

plannedFailures()

const USD = 1_000_000_000n
let wallets = 0
const aWallet = () => `0x${String(++wallets).padStart(40, 'A')}`

function aDesk(reach: Accounts = accounts) {
  const clock = aClock()
  const needs = { db: env.DB, books: [env.BOOK_0], accounts: reach, clock, random: systemRandom }
  const { ask, raw } = anApi(createWithdrawalRoutes(needs))
  return {
    clock,
    ask,
    raw,
    payout: async () => PayoutReply.parse((await ask(admin, 'POST', '/admin/payouts')).body),
    file: async (batchId: string | null) =>
      PayoutFile.parse((await ask(admin, 'GET', `/admin/payouts/${batchId}`)).body).rows.map(({ id }) => id),
    paid: (batchId: string | null, reference = 'tx-1') =>
      ask(admin, 'POST', `/admin/payouts/${batchId}/paid`, { reference }),
    giveBack: (id: string, reason = 'no such wallet') =>
      ask(admin, 'POST', `/admin/withdrawals/${id}/return`, { reason }),
  }
}

/** An account with ten dollars of earnings and a wallet. */
async function anEarner() {
  const address = aWallet()
  const account = await aRegistered(aClock(), address)
  await earn(account, 10n * USD)
  return { ...account, address, who: { ...signedIn(account.id), address } }
}
type Earner = Awaited<ReturnType<typeof anEarner>>

async function request(earner: Earner, usd = '4', id = '1') {
  const { body } = await aDesk().ask(earner.who, 'POST', '/withdrawals', { usd, id })
  return Withdrawal.parse(body)
}
const available = async ({ port }: Pick<TestAccount, 'port'>) => (await port.balance()).availableNanos
const raiseAlert = (subject: string, kind = 'balance') =>
  env.DB.prepare('INSERT INTO alerts (id, kind, subject, detail, at) VALUES (?1, ?2, ?1, ?2, 0)')
    .bind(subject, kind)
    .run()

beforeEach(async () => {
  await env.DB.batch([env.DB.prepare('DELETE FROM withdrawals'), env.DB.prepare('DELETE FROM alerts')])
  await env.BOOK_0.prepare('DELETE FROM lines').run()
})

describe('a request', () => {
  it('takes earnings to the signed-in wallet, once per id', async () => {
    const earner = await anEarner()
    const first = await request(earner)
    expect(first).toMatchObject({
      accountId: earner.id,
      usd: '4.000000000',
      address: earner.address,
      state: 'requested',
    })
    expect(await request(earner)).toEqual(first)
    const more = { usd: '5', id: '1' }
    expect((await aDesk().ask(earner.who, 'POST', '/withdrawals', more)).code).toBe('conflict')
    expect(await available(earner)).toBe(6n * USD)
  })

  it('may name another of one’s own wallets, in any spelling, and nobody else’s', async () => {
    const earner = await anEarner()
    const other = aWallet()
    await env.DB.prepare('INSERT INTO wallets (address, account_id, added_at) VALUES (?, ?, 0)')
      .bind(other, earner.id)
      .run()
    const ask = (address: string, id: string) =>
      aDesk().ask(earner.who, 'POST', '/withdrawals', { usd: '1', id, address })
    expect((await ask(other.toLowerCase(), '1')).body).toMatchObject({ address: other })
    const stranger = await anEarner()
    for (const address of [stranger.address, WALLET]) expect((await ask(address, '2')).code).toBe('invalid_request')
    expect(await available(earner)).toBe(9n * USD)
  })

  it('goes to no wallet that joined the account within two days, so that a stolen session cannot bring its own', async () => {
    const earner = await anEarner()
    const joined = aWallet()
    const { clock, ask } = aDesk()
    clock.advance(1)
    await env.DB.prepare('INSERT INTO wallets (address, account_id, added_at) VALUES (?, ?, ?)')
      .bind(joined, earner.id, clock())
      .run()
    const as = (address: string) => ({ ...earner.who, address, signedInAt: clock() })
    const to = async (address: string, by: string, id: string) => {
      const { status, body } = await ask(as(by), 'POST', '/withdrawals', { usd: '1', id, address })
      return status === 201 ? 'taken' : JSON.stringify(body)
    }
    expect(await to(joined, earner.address, '1')).toContain('two days')
    // Signed in with it, and the first wallet sent away: it is still the newcomer.
    await env.DB.prepare('DELETE FROM wallets WHERE address = ?').bind(earner.address).run()
    expect(await to(joined, joined, '2')).toContain('two days')
    clock.advance(LEDGER.payoutAddressDelayMs - 1)
    expect(await to(joined, joined, '3')).toContain('two days')
    clock.advance(1)
    expect(await to(joined, joined, '4')).toBe('taken')
  })

  it.each([
    ['the smallest', '0.01', 201],
    ['below it', '0.009999', 400],
    ['above the largest', '100000.000001', 400],
    ['seven places', '1.0000001', 400],
    ['seven places, the last a zero', '1.0000010', 201],
    ['more than was earned', '10.000001', 409],
    ['all that was earned', '10', 201],
    ['nothing', '0', 400],
  ])('of %s (%s)', async (_, usd, status) => {
    const earner = await anEarner()
    expect((await aDesk().ask(earner.who, 'POST', '/withdrawals', { usd, id: '1' })).status).toBe(status)
  })

  it('never takes out what the house gave', async () => {
    const earner = await anEarner()
    const gift = { transferId: 'code:1', kind: 'code', amountNanos: 5n * USD, reason: 'x', by: null }
    await earner.port.grant({ ...gift, kind: 'code', amountNanos: gift.amountNanos as never })
    expect((await aDesk().ask(earner.who, 'POST', '/withdrawals', { usd: '11', id: '1' })).code).toBe(
      'not_withdrawable',
    )
    const list = WithdrawalPage.parse((await aDesk().ask(earner.who, 'GET', '/withdrawals')).body)
    expect(list).toEqual({ data: [], nextCursor: null, withdrawable: '10.000000000' })
  })

  it('asks for a fresh sign-in, and is refused to a frozen account', async () => {
    const earner = await anEarner()
    const stale = { ...earner.who, signedInAt: (START - SIGN_IN.freshMs - 1) as typeof START }
    const ask = (who: typeof stale | null) => aDesk().ask(who, 'POST', '/withdrawals', { usd: '1', id: '1' })
    expect([(await ask(null)).code, (await ask(stale)).code]).toEqual(['not_signed_in', 'fresh_sign_in_required'])
    await earner.port.freeze({ cause: 'admin', reason: 'x', by: ADMIN })
    expect((await ask(earner.who)).code).toBe('account_frozen')
  })

  it('is listed to its owner, newest first, page by page', async () => {
    const earner = await anEarner()
    const other = await anEarner()
    await request(other)
    for (const id of ['a.1', 'b', 'c']) await request(earner, '1', id)
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const query = cursor === '' ? '' : `&cursor=${cursor}`
      const { body } = await aDesk().ask(earner.who, 'GET', `/withdrawals?limit=2${query}`)
      const page = WithdrawalPage.parse(body)
      seen.push(...page.data.map(({ id }) => id))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(['c', 'b', 'a.1'].map((id) => `${earner.id}:withdrawal:${id}`))
    expect((await aDesk().ask(earner.who, 'GET', '/withdrawals?cursor=x')).status).toBe(400)
    const all = WithdrawalAdminPage.parse((await aDesk().ask(admin, 'GET', '/admin/withdrawals?state=requested')).body)
    expect(all.data).toHaveLength(4)
    const none = WithdrawalAdminPage.parse((await aDesk().ask(admin, 'GET', '/admin/withdrawals?state=paid')).body)
    expect(none.data).toEqual([])
    expect((await aDesk().ask(admin, 'GET', '/admin/withdrawals?state=lost')).status).toBe(400)
  })
})

describe('a pay-out file', () => {
  it('made by ten admins at once has every withdrawal once, and is the same bytes for ever, without what went back', async () => {
    const earners = await Promise.all(Array.from({ length: 6 }, anEarner))
    for (const earner of earners) await request(earner, '1.25')
    const desk = aDesk()
    const made = await Promise.all(Array.from({ length: 10 }, desk.payout))
    const batches = made.flatMap(({ batchId }) => (batchId === null ? [] : [batchId]))
    const filed = (await Promise.all(batches.map(desk.file))).flat()
    expect(filed.sort()).toEqual(earners.map(({ id }) => `${id}:withdrawal:1`).sort())
    expect(made.reduce((sum, { count }) => sum + count, 0)).toBe(6)
    const [batchId = ''] = batches
    for (const format of ['csv', 'json']) {
      const text = async () => (await desk.raw(admin, 'GET', `/admin/payouts/${batchId}?format=${format}`)).text()
      expect(await text()).toBe(await text())
    }
    // One that has its money again must not be paid as well, by whoever fetches the file later.
    const back = await request(await anEarner())
    const stays = await request(await anEarner())
    const { batchId: mixed } = await desk.payout()
    expect((await desk.file(mixed)).sort()).toEqual([back.id, stays.id].sort())
    await desk.giveBack(back.id)
    expect(await desk.file(mixed)).toEqual([stays.id])
    await desk.paid(mixed)
    expect(await desk.file(mixed)).toEqual([stays.id])
    expect(await desk.payout()).toEqual({ batchId: null, count: 0, usd: '0.000000000', leftOut: [], more: false })
  })

  it('leaves out who is frozen or under an open alert, and says so', async () => {
    const [frozen, alerted, fine] = [await anEarner(), await anEarner(), await anEarner()]
    for (const earner of [frozen, alerted, fine]) await request(earner)
    await frozen.port.freeze({ cause: 'admin', reason: 'x', by: ADMIN })
    await raiseAlert(alerted.id)
    await raiseAlert('payments', 'payment')
    await raiseAlert(`${fine.id}`, 'lag')
    const desk = aDesk()
    const made = await desk.payout()
    expect(made).toMatchObject({ count: 1, usd: '4.000000000' })
    expect(await desk.file(made.batchId)).toEqual([`${fine.id}:withdrawal:1`])
    const reasons = made.leftOut.map(({ accountId, reason }) => [accountId, reason])
    expect(new Map(reasons as [string, string][])).toEqual(
      new Map([
        [frozen.id, 'account_frozen'],
        [alerted.id, 'alert'],
      ]),
    )
    await frozen.port.unfreeze('seen', ADMIN)
    await env.DB.prepare('UPDATE alerts SET resolved_at = 1').run()
    expect(await desk.payout()).toMatchObject({ count: 2, leftOut: [] })
  })

  it('is not made while the house is under an alert, nor of accounts whose guard does not answer', async () => {
    const [earner, away] = [await anEarner(), await anEarner()]
    await request(earner)
    await request(away)
    const desk = aDesk((id) => ({
      ...accounts(id),
      ...(id === away.id ? { frozen: () => Promise.reject(new Error('planned: away')) } : {}),
    }))
    const made = await desk.payout()
    expect(made).toMatchObject({ count: 1, leftOut: [{ accountId: away.id, reason: 'unavailable' }] })
    await raiseAlert('house')
    expect(await desk.payout()).toMatchObject({ batchId: null, leftOut: [{ accountId: away.id, reason: 'alert' }] })
  })

  it('is stopped by an alert that comes up while it is made', async () => {
    const earner = await anEarner()
    await request(earner)
    const desk = aDesk((id) => ({
      ...accounts(id),
      frozen: async () => {
        await raiseAlert(earner.id)
        return null
      },
    }))
    expect(await desk.payout()).toMatchObject({ batchId: null, count: 0 })
  })

  it('finds a withdrawal whose row was lost, in the book', async () => {
    const earner = await anEarner()
    const row = await request(earner)
    earner.clock.advance(300)
    await earner.port.tick()
    await env.DB.prepare('DELETE FROM withdrawals').run()
    const desk = aDesk()
    const made = await desk.payout()
    expect(made).toMatchObject({ count: 1, usd: row.usd })
    expect(await desk.file(made.batchId)).toEqual([row.id])
    // And never twice.
    expect(await desk.payout()).toMatchObject({ batchId: null })
    await desk.paid(made.batchId)
    expect(await desk.payout()).toMatchObject({ batchId: null })
    const list = WithdrawalPage.parse((await desk.ask(earner.who, 'GET', '/withdrawals')).body)
    expect(list.data[0]).toMatchObject({ id: row.id, address: earner.address, state: 'paid' })
  })

  it('is for admins who signed in lately', async () => {
    const earner = await anEarner()
    const { id } = await request(earner)
    const stale = { ...signedIn(ADMIN, ['admin']), signedInAt: (START - SIGN_IN.freshMs - 1) as typeof START }
    const desk = aDesk()
    for (const [method, path, body] of [
      ['POST', '/admin/payouts', undefined],
      ['POST', '/admin/payouts/po_1/paid', { reference: 'x' }],
      ['POST', `/admin/withdrawals/${id}/return`, { reason: 'x' }],
    ] as const) {
      expect((await desk.ask(stale, method, path, body)).code).toBe('fresh_sign_in_required')
      expect((await desk.ask(earner.who, method, path, body)).code).toBe('forbidden')
    }
    for (const path of ['/admin/withdrawals', '/admin/payouts/po_1'])
      expect((await desk.ask(earner.who, 'GET', path)).code).toBe('forbidden')
    expect((await desk.ask(admin, 'GET', '/admin/payouts/po_1')).code).toBe('not_found')
    expect((await desk.paid('po_1')).code).toBe('not_found')
  })
})

describe('a payment', () => {
  it('is marked once: the same reference is the same answer, another is a conflict, at once as well', async () => {
    const earner = await anEarner()
    await request(earner)
    const desk = aDesk()
    const { batchId } = await desk.payout()
    const replies = await Promise.all(Array.from({ length: 12 }, (_, n) => desk.paid(batchId, `tx-${n % 3}`)))
    const won = replies.filter(({ status }) => status === 200).map(({ body }) => PaidReply.parse(body))
    expect(won).toHaveLength(4)
    expect(new Set(won.map(({ reference }) => reference)).size).toBe(1)
    expect(replies.filter(({ code }) => code === 'conflict')).toHaveLength(8)
    const list = WithdrawalPage.parse((await desk.ask(earner.who, 'GET', '/withdrawals')).body)
    expect(list.data[0]).toMatchObject({ state: 'paid', reference: won[0]?.reference, batchId })
    expect(list.data[0]?.endedAt).not.toBeNull()
  })
})

describe('a withdrawal that could not be paid', () => {
  it('comes back once, and its file’s payment leaves it out', async () => {
    const [earner, other] = [await anEarner(), await anEarner()]
    const { id } = await request(earner)
    await request(other)
    const desk = aDesk()
    const { batchId } = await desk.payout()
    const replies = await Promise.all(Array.from({ length: 8 }, () => desk.giveBack(id)))
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]))
    expect(await available(earner)).toBe(10n * USD)
    expect((await desk.paid(batchId)).body).toMatchObject({ paid: 1, usd: '4.000000000' })
    expect((await desk.giveBack(id)).body).toMatchObject({ state: 'returned', batchId })
    expect(await available(earner)).toBe(10n * USD)
  })

  it('that is paid does not', async () => {
    const earner = await anEarner()
    const { id } = await request(earner)
    const desk = aDesk()
    await desk.paid((await desk.payout()).batchId)
    expect((await desk.giveBack(id)).code).toBe('withdrawal_paid')
    expect((await desk.giveBack(`${newAccountId(systemRandom)}:withdrawal:1`)).code).toBe('not_found')
    expect(await available(earner)).toBe(6n * USD)
  })

  it('that is on its way back can be neither filed nor paid, and is finished by asking again', async () => {
    const [earner, later] = [await anEarner(), await anEarner()]
    const { id } = await request(earner)
    const away: Accounts = (account) => ({
      ...accounts(account),
      returnWithdrawal: async (asked) => {
        await accounts(account).returnWithdrawal(asked)
        throw new Error('planned: the answer is lost')
      },
    })
    expect((await aDesk(away).giveBack(id)).status).toBe(500)
    expect(await available(earner)).toBe(10n * USD)
    const desk = aDesk()
    expect(await desk.payout()).toMatchObject({ batchId: null })
    expect((await desk.giveBack(id)).body).toMatchObject({ state: 'returned' })
    expect(await available(earner)).toBe(10n * USD)

    const filed = await request(later)
    const { batchId } = await desk.payout()
    await aDesk(away).giveBack(filed.id)
    expect((await desk.paid(batchId)).code).toBe('conflict')
    expect((await desk.giveBack(filed.id)).body).toMatchObject({ state: 'returned' })
  })
})

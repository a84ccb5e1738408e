// Where an account's withdrawals go: which addresses may be named, when a change holds, who is told, and what a stolen session cannot do.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { SIGN_IN } from '../../../../gateway/core/limits.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { createPayoutAddressBook } from '../../../../gateway/ledger/payouts/payout-address-book.ts'
import { createPayoutAddressRoutes } from '../../../../gateway/ledger/payouts/payout-address-routes.ts'
import { payoutAddress, payoutStand } from '../../../../gateway/ledger/payouts/payout-address.ts'
import { createWithdrawalRoutes } from '../../../../gateway/ledger/payouts/withdrawal-routes.ts'
import { PayoutAddressView } from '../../../../protocol/auth.ts'
import { Withdrawal } from '../../../../protocol/money.ts'
import { instant, newAccountId, newKeyId, newNodeId } from '../../../../protocol/units.ts'
import { EventKind } from '../../../../protocol/webhook.ts'
import { accounts, aClock, plannedFailures, START } from '../ledger-house.ts'
import { anApi, aRegistered, earn, signedIn } from '../money-house.ts'

plannedFailures()

const USD = 1_000_000_000n
const SAFE = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
const OTHER = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359'
const DELAY = LEDGER.payoutAddressDelayMs

describe('an address', () => {
  it.each([
    ['as EIP-55 writes it', SAFE, SAFE],
    ['in small letters', SAFE.toLowerCase(), SAFE],
    ['in capitals', `0x${SAFE.slice(2).toUpperCase()}`, SAFE],
    ['with one letter of its checksum changed', SAFE.replace('5aA', '5Aa'), null],
    ['zero', `0x${'0'.repeat(40)}`, null],
    ['a precompile', `0x${'1'.padStart(40, '0')}`, null],
    ['of four digits', `0x${'ffff'.padStart(40, '0')}`, null],
    ['of five digits', `0x${'10000'.padStart(40, '0')}`, `0x${'10000'.padStart(40, '0')}`],
    ['where things are burnt', '0x000000000000000000000000000000000000dEaD', null],
    ['for the coin itself', '0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE', null],
    ['all ones', `0x${'f'.repeat(40)}`, null],
    ['too short', '0x1234', null],
  ])('%s', (_, text, taken) => {
    const judged = payoutAddress(text)
    expect(judged.ok ? judged.value : null).toBe(taken)
  })

  it('that was asked for holds from its time on, and the one before until then', () => {
    const at = (ms: number, address: string) => ({ address, requestedAt: instant(0), effectiveAt: instant(ms) })
    const changes = [at(10, SAFE), at(20, OTHER)]
    const addresses = (now: number) => {
      const { inForce, pending } = payoutStand(changes, instant(now))
      return [inForce?.address, pending?.address]
    }
    expect([9, 10, 19, 20].map(addresses)).toEqual([
      // Two pending at once are never written; the later one is shown.
      [undefined, OTHER],
      [SAFE, OTHER],
      [SAFE, OTHER],
      [OTHER, undefined],
    ])
  })
})

let wallets = 0
/** An account with ten dollars of earnings, a wallet, and both kinds of routes at one clock. */
async function aHouse() {
  const clock = aClock()
  const wallet = `0x${String(++wallets).padStart(40, 'B')}`
  const account = await aRegistered(clock, wallet)
  await earn(account, 10n * USD)
  const needs = { db: env.DB, books: [env.BOOK_0], accounts, clock, random: systemRandom }
  const address = anApi(createPayoutAddressRoutes(needs))
  const money = anApi(createWithdrawalRoutes(needs))
  const who = () => ({ ...signedIn(account.id, ['consumer'], clock()), address: wallet })
  const path = '/account/payout-address'
  return {
    clock,
    wallet,
    account,
    who,
    put: (to: string, by = who()) => address.ask(by, 'PUT', path, { address: to }),
    raw: (to: string) => address.raw(who(), 'PUT', path, { address: to }),
    view: async () => PayoutAddressView.parse((await address.ask(who(), 'GET', path)).body),
    cancel: async (by = who()) => PayoutAddressView.parse((await address.ask(by, 'DELETE', path)).body),
    ask: address.ask,
    withdraw: (id: string, to?: string) =>
      money.ask(who(), 'POST', '/withdrawals', { usd: '1', id, ...(to === undefined ? {} : { address: to }) }),
    events: async () => {
      const told = 'SELECT kind, data FROM events WHERE account_id = ? ORDER BY at, id'
      const { results } = await env.DB.prepare(told).bind(account.id).all<{ kind: string; data: string }>()
      return results.map(({ kind, data }) => ({ kind: EventKind.parse(kind), ...(JSON.parse(data) as object) }))
    },
  }
}

describe('a change', () => {
  it('comes into force after two days, is shown until then, and told at once', async () => {
    const house = await aHouse()
    expect(await house.view()).toEqual({ address: null, pending: null })
    const effectiveAt = new Date(START + DELAY).toISOString()
    const asked = await house.put(SAFE.toLowerCase())
    const pending = { address: SAFE, requestedAt: new Date(START).toISOString(), effectiveAt }
    expect([asked.status, asked.body]).toEqual([200, { address: null, pending }])
    expect(await house.events()).toEqual([
      { kind: 'payout_address.changed', state: 'requested', address: SAFE, by: house.wallet, effectiveAt },
    ])
    house.clock.advance(DELAY - 1)
    expect(await house.view()).toEqual({ address: null, pending })
    house.clock.advance(1)
    expect(await house.view()).toEqual({ address: SAFE, pending: null })
  })

  it('asks for a fresh sign-in, and by no key and no node', async () => {
    const house = await aHouse()
    const stale = { ...house.who(), signedInAt: instant(START - SIGN_IN.freshMs - 1) }
    expect((await house.put(SAFE, stale)).code).toBe('fresh_sign_in_required')
    const { accountId, secret } = house.who()
    const key = { kind: 'key', accountId, keyId: newKeyId(systemRandom), secretHash: '', secret } as const
    const node = { kind: 'node', accountId, nodeId: newNodeId(systemRandom), nodeKey: '' } as const
    for (const who of [key, node, null])
      for (const method of ['PUT', 'DELETE'])
        expect((await house.ask(who, method, '/account/payout-address', { address: SAFE })).status).toBeGreaterThan(400)
    expect(await house.view()).toEqual({ address: null, pending: null })
  })

  it.each([`0x${'0'.repeat(40)}`, SAFE.replace('5aA', '5Aa')])('to %s is refused', async (to) => {
    const house = await aHouse()
    expect(await house.put(to)).toMatchObject({ status: 400, code: 'invalid_request' })
    expect(await house.events()).toEqual([])
  })

  it('that is asked for again neither begins anew nor is told twice', async () => {
    const house = await aHouse()
    const first = await house.put(SAFE)
    house.clock.advance(3_600_000)
    expect((await house.put(SAFE)).body).toEqual(first.body)
    expect(await house.events()).toHaveLength(1)
  })

  it('takes the place of one that is pending, and its two days begin anew', async () => {
    const house = await aHouse()
    await house.put(SAFE)
    house.clock.advance(DELAY - 1)
    await house.put(OTHER)
    house.clock.advance(DELAY - 1)
    expect(await house.view()).toMatchObject({ address: null, pending: { address: OTHER } })
    house.clock.advance(1)
    expect(await house.view()).toEqual({ address: OTHER, pending: null })
  })

  it('is taken back by any wallet without a fresh sign-in, which is told as well; what holds is not', async () => {
    const house = await aHouse()
    await house.put(SAFE)
    house.clock.advance(DELAY)
    await house.put(OTHER)
    const stale = { ...house.who(), signedInAt: START }
    expect(await house.cancel(stale)).toEqual({ address: SAFE, pending: null })
    expect(await house.cancel(stale)).toEqual({ address: SAFE, pending: null })
    house.clock.advance(DELAY)
    expect((await house.view()).address).toBe(SAFE)
    const told = await house.events()
    expect(told.map((event) => 'state' in event && event.state)).toEqual(['requested', 'requested', 'cancelled'])
  })

  it('back to what holds takes the pending one back', async () => {
    const house = await aHouse()
    await house.put(SAFE)
    house.clock.advance(DELAY)
    await house.put(OTHER)
    expect((await house.put(SAFE)).body).toEqual({ address: SAFE, pending: null })
  })

  it('of several at the same moment leaves one, whole, and tells of each that was written', async () => {
    const house = await aHouse()
    const wanted = [SAFE, OTHER, `0x${'ab'.repeat(20)}`]
    const replies = await Promise.all(wanted.map((to) => house.put(to)))
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
    const open = 'SELECT address FROM payout_addresses WHERE account_id = ? AND cancelled_at IS NULL'
    const { results } = await env.DB.prepare(open).bind(house.account.id).all<{ address: string }>()
    expect(results).toHaveLength(1)
    expect((await house.view()).pending?.address).toBe(results[0]?.address)
    expect(await house.events()).toHaveLength(3)
  })

  it('is asked for at most ten times a day', async () => {
    const house = await aHouse()
    const addresses = Array.from({ length: 11 }, (_, n) => `0x${(0x20_000 + n).toString(16).padStart(40, '0')}`)
    for (const to of addresses.slice(0, 10)) expect((await house.put(to)).status).toBe(200)
    const over = await house.raw(addresses[10] ?? '')
    // The first is a day old when the clock has moved a day: nothing has passed yet.
    expect([over.status, over.headers.get('retry-after')]).toEqual([429, '86400'])
    expect((await house.view()).pending?.address.toLowerCase()).toBe(addresses[9])
    const book = createPayoutAddressBook(env.DB, house.clock)
    const late = instant(START + 50)
    const { pending } = await book.stand(house.account.id)
    await expect(book.ask(house.account.id, SAFE, house.wallet, late, pending)).rejects.toThrow()
    house.clock.advance(86_400_000)
    expect((await house.put(addresses[10] ?? '')).status).toBe(200)
  })

  it('of one account is nothing to another', async () => {
    const [house, stranger] = [await aHouse(), await aHouse()]
    await house.put(SAFE)
    expect(await stranger.view()).toEqual({ address: null, pending: null })
    await stranger.cancel()
    expect((await house.view()).pending?.address).toBe(SAFE)
    expect(newAccountId(systemRandom)).not.toBe(house.account.id)
  })
})

describe('a withdrawal', () => {
  const to = ({ body }: { body: unknown }) => Withdrawal.parse(body).address

  it('goes to the wallets until the change holds, and then to the pay-out address and only there', async () => {
    const house = await aHouse()
    await house.put(SAFE)
    house.clock.advance(DELAY - 1)
    expect(to(await house.withdraw('1'))).toBe(house.wallet)
    expect((await house.withdraw('2', SAFE)).code).toBe('invalid_request')
    house.clock.advance(1)
    expect(to(await house.withdraw('2'))).toBe(SAFE)
    expect(to(await house.withdraw('3', SAFE.toLowerCase()))).toBe(SAFE)
    const refused = await house.withdraw('4', house.wallet)
    expect(refused).toMatchObject({ status: 400, body: { error: { param: 'address' } } })
    expect(JSON.stringify(refused.body)).toContain(`pay-out address ${SAFE} only`)
    expect((await house.account.port.money())?.withdrawableNanos).toBe(7n * USD)
  })

  it('goes to the address before while a further change is pending', async () => {
    const house = await aHouse()
    await house.put(SAFE)
    house.clock.advance(DELAY)
    await house.put(OTHER)
    house.clock.advance(DELAY - 1)
    expect(to(await house.withdraw('1'))).toBe(SAFE)
  })

  it('that was asked for before keeps its address, and the same request again is the same answer', async () => {
    const house = await aHouse()
    const first = await house.withdraw('1')
    await house.put(SAFE)
    house.clock.advance(DELAY)
    expect((await house.withdraw('1')).body).toEqual(first.body)
    expect((await house.withdraw('1', house.wallet)).body).toEqual(first.body)
    expect((await house.withdraw('1', SAFE)).code).toBe('conflict')
  })
})

// What a processor tells is booked once: a hundred times the same, in any order, at once.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { createApp } from '../../../../gateway/app.ts'
import { createServices } from '../../../../gateway/services.ts'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { toResponse } from '../../../../gateway/core/errors.ts'
import type { AppEnv } from '../../../../gateway/core/principal.ts'
import { LEDGER } from '../../../../gateway/ledger/limits/limits.ts'
import { createPaymentRoutes } from '../../../../gateway/ledger/payments/payment-routes.ts'
import { createStripeAdapter } from '../../../../gateway/ledger/payments/stripe-events.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { HOUSE, instant, nanos, newAccountId, type AccountId } from '../../../../protocol/units.ts'
import { accounts, aClock, START, type TestAccount } from '../ledger-house.ts'
import { aRegistered } from '../money-house.ts'
import { aCharge, aDispute, anEvent, aSession, SECRET, signed } from './stripe-house.ts'

const adapter = createStripeAdapter({ webhookSecret: SECRET, isLive: false })
const USD = 1_000_000_000n
let payments = 0

/** Its own payment and dispute, since the whole file shares one registry. */
function aStory(account: { readonly id: AccountId }, payment = `pi_${++payments}`) {
  const routes = createPaymentRoutes({ db: env.DB, accounts, clock: aClock(), payments: [adapter] })
  const app = new Hono<AppEnv>().route('/webhooks', routes)
  app.onError((error) => toResponse(error, 'req_test'))
  const send = async (event: object | string, secret = SECRET, path = '/webhooks/payments/stripe'): Promise<number> => {
    const { body, headers } = signed(event, START, secret)
    return (await app.request(path, { method: 'POST', body, headers })).status
  }
  const dispute = payment.replace('pi', 'dp')
  return {
    send,
    payment,
    dispute,
    topup: (over: object = {}) =>
      anEvent(
        'checkout.session.completed',
        aSession({ client_reference_id: account.id, payment_intent: payment, ...over }),
      ),
    disputed: (type = 'created', over: object = {}) =>
      anEvent(`charge.dispute.${type}`, aDispute({ id: dispute, payment_intent: payment, ...over })),
    refunded: (cents: number) => anEvent('charge.refunded', aCharge(cents, { payment_intent: payment })),
  }
}

const available = async ({ port }: TestAccount) => (await port.balance()).availableNanos
const kinds = async (account: TestAccount) => (await account.lines()).map(({ body }) => parseLine(body).kind)
const alertOf = (reference: string) =>
  env.DB.prepare('SELECT subject, detail, resolved_at FROM alerts WHERE id = ?')
    .bind(`payment:payments:${reference}`)
    .first()

describe('a payment', () => {
  it('told a hundred times at once tops up once, from the house’s payments', async () => {
    const account = await aRegistered()
    const { send, topup, payment } = aStory(account)
    const later = { ...topup(), type: 'checkout.session.async_payment_succeeded', id: 'evt_other' }
    const told = await Promise.all(Array.from({ length: 100 }, (_, n) => send(n % 2 ? later : topup())))
    expect(new Set(told)).toEqual(new Set([200]))
    expect(await available(account)).toBe(10n * USD)
    const [line] = (await account.lines()).map(({ body }) => parseLine(body))
    expect(line).toMatchObject({ kind: 'topup', transferId: `topup:stripe:${payment}`, deltaNanos: 10n * USD })
    expect(line?.legs[0]).toMatchObject({ party: HOUSE.payments, amountNanos: -10n * USD })
    expect(await account.lines()).toHaveLength(1)
  })

  it('whose booking was cut off after its claim is finished when it is told again', async () => {
    const account = await aRegistered()
    const { send, topup, payment, disputed } = aStory(account)
    await env.DB.prepare('INSERT INTO payments VALUES (?, ?, ?, ?, ?)')
      .bind(`stripe:${payment}`, account.id, Number(10n * USD), `topup:stripe:${payment}`, START)
      .run()
    // Not in the guard yet, so there is nothing to take back.
    expect(await send(disputed())).toBe(404)
    expect(await send(topup())).toBe(200)
    expect(await available(account)).toBe(10n * USD)
  })

  it('for nobody, or named for two accounts, is acknowledged, not booked, and raised', async () => {
    const account = await aRegistered()
    for (const stranger of [newAccountId(systemRandom), HOUSE.fees, 'x']) {
      const { send, topup, payment } = aStory(account)
      expect(await send(topup({ client_reference_id: stranger }))).toBe(200)
      expect(await alertOf(`stripe:${payment}`)).toMatchObject({ subject: 'payments', resolved_at: null })
    }
    const other = await aRegistered()
    const { send, topup, payment } = aStory(account)
    await send(topup())
    expect(await send(topup({ client_reference_id: other.id }))).toBe(200)
    expect(await send(topup({ amount_total: 999 }))).toBe(200)
    expect(await alertOf(`stripe:${payment}`)).not.toBeNull()
    expect([await available(account), await available(other)]).toEqual([10n * USD, 0n])
  })

  it('in another currency, or beyond what an account can hold, is raised as well', async () => {
    const account = await aRegistered()
    const euro = aStory(account)
    expect(await euro.send(euro.topup({ currency: 'eur' }))).toBe(200)
    expect(await alertOf(`stripe:${euro.payment}`)).toMatchObject({
      detail: expect.stringContaining('dollars') as string,
    })
    const most = { transferId: 'g', kind: 'grant', amountNanos: nanos(LEDGER.balanceMaxNanos), reason: 'x', by: null }
    await account.port.grant({ ...most, kind: 'grant' })
    const full = aStory(account)
    expect(await full.send(full.topup())).toBe(200)
    expect(await alertOf(`stripe:${full.payment}`)).not.toBeNull()
    expect(await account.lines()).toHaveLength(1)
  })
})

describe('a dispute', () => {
  it('before its payment is told again, and takes once, however often it is told', async () => {
    const account = await aRegistered()
    const { send, topup, disputed } = aStory(account)
    expect(await send(disputed())).toBe(404)
    await send(topup())
    const told = Array.from({ length: 30 }, (_, n) => disputed(n % 2 ? 'created' : 'funds_withdrawn'))
    expect(new Set(await Promise.all(told.map((event) => send(event))))).toEqual(new Set([200]))
    expect(await available(account)).toBe(0n)
    expect(await kinds(account)).toEqual(['topup', 'chargeback'])
    expect(await account.port.frozen()).toBeNull()
  })

  it('of spent money takes what is left, freezes, and gives back exactly that when it is won', async () => {
    const account = await aRegistered()
    const { send, topup, disputed } = aStory(account)
    expect(await send(disputed('funds_reinstated'))).toBe(404)
    await send(topup())
    expect(await send(disputed('closed', { status: 'won' }))).toBe(404)
    await account.port.takeBack({
      transferId: 'spent',
      kind: 'clawback',
      of: 'x',
      ofAccount: account.id,
      amountNanos: nanos(4n * USD),
      reason: 'stands for spending',
      by: null,
    })
    await send(disputed())
    expect(await available(account)).toBe(0n)
    expect(await account.port.frozen()).toMatchObject({ cause: 'chargeback' })
    const won = [disputed('funds_reinstated'), disputed('closed', { status: 'won' })]
    for (const event of [...won, ...won, disputed()]) expect(await send(event)).toBe(200)
    expect(await available(account)).toBe(6n * USD)
    expect(await kinds(account)).toEqual(['topup', 'clawback', 'chargeback', 'freeze', 'topup'])
  })

  it('told again with another amount is raised, and takes no more', async () => {
    const account = await aRegistered()
    const { send, topup, disputed, dispute } = aStory(account)
    await send(topup())
    await send(disputed('created', { amount: 300 }))
    expect(await send(disputed('funds_withdrawn', { amount: 400 }))).toBe(200)
    expect(await alertOf(`chargeback:stripe:${dispute}`)).not.toBeNull()
    expect(await available(account)).toBe(7n * USD)
  })
})

describe('refunds at the processor', () => {
  it('take the difference to what was taken, in any order and at once', async () => {
    const account = await aRegistered()
    const { send, topup, refunded } = aStory(account)
    expect(await send(refunded(100))).toBe(404)
    await send(topup())
    const totals = [300, 100, 200, 300, 100].flatMap((cents) => [cents, cents])
    expect(new Set(await Promise.all(totals.map((cents) => send(refunded(cents)))))).toEqual(new Set([200]))
    expect(await available(account)).toBe(7n * USD)
    await send(refunded(1_000))
    await send(refunded(400))
    expect(await available(account)).toBe(0n)
  })

  it('of more than is left tell somebody and freeze nobody: it was our own doing', async () => {
    const account = await aRegistered()
    const { send, topup, refunded, payment } = aStory(account)
    await send(topup())
    await account.port.takeBack({
      transferId: 'spent',
      kind: 'clawback',
      of: 'x',
      ofAccount: account.id,
      amountNanos: nanos(4n * USD),
      reason: 'stands for spending',
      by: null,
    })
    for (let told = 0; told < 2; told++) expect(await send(refunded(1_000))).toBe(200)
    expect(await available(account)).toBe(0n)
    expect(await account.port.frozen()).toBeNull()
    expect(await alertOf(`refunded:stripe:${payment}:${10n * USD}`)).toMatchObject({
      detail: expect.stringContaining('4.000000000') as string,
    })
  })

  it('and disputes of a payment that was raised and never booked are not asked for again', async () => {
    const account = await aRegistered()
    const { send, topup, refunded, disputed } = aStory(account)
    expect(await send(refunded(100))).toBe(404)
    expect(await send(topup({ currency: 'eur' }))).toBe(200)
    for (const event of [refunded(100), disputed(), disputed('funds_reinstated')]) expect(await send(event)).toBe(200)
    expect(await account.lines()).toHaveLength(0)
  })

  it('that failed are raised', async () => {
    const { send, payment } = aStory(await aRegistered())
    expect(
      await send(anEvent('refund.failed', { id: `re_${payment}`, object: 'refund', payment_intent: payment })),
    ).toBe(200)
    expect(await alertOf(`stripe:re_${payment}`)).toMatchObject({ detail: expect.stringContaining(payment) as string })
  })
})

describe('the route', () => {
  it('believes nobody without the secret, and reads no more than it must', async () => {
    const account = await aRegistered()
    const { send, topup, refunded } = aStory(account)
    expect(await send(topup(), `${SECRET}x`)).toBe(401)
    expect(await send(refunded(1), '')).toBe(401)
    expect(await send('{"no":"event"}')).toBe(400)
    const filler = (bytes: number) => JSON.stringify({ ...topup(), filler: '' }).length - bytes
    const padded = (bytes: number) => JSON.stringify({ ...topup(), filler: 'x'.repeat(-filler(bytes)) })
    expect(padded(LEDGER.paymentEventBytes)).toHaveLength(LEDGER.paymentEventBytes)
    expect(await send(padded(LEDGER.paymentEventBytes + 1))).toBe(413)
    expect(await available(account)).toBe(0n)
    expect(await send(padded(LEDGER.paymentEventBytes))).toBe(200)
    expect(await available(account)).toBe(10n * USD)
  })

  it('of the whole gateway needs nothing but the processor’s signature', async () => {
    const account = await aRegistered()
    const { topup } = aStory(account)
    const app = async (secret?: string) =>
      createApp(await createServices({ ...env, ...(secret ? { SOUK_STRIPE_WEBHOOK_SECRET: secret } : {}) }))
    const send = async (secret?: string) => {
      const { body, headers } = signed(topup(), instant(Date.now()))
      return (await app(secret)).request('/webhooks/payments/stripe', { method: 'POST', body, headers })
    }
    expect((await send()).status).toBe(404)
    const said = await send(SECRET)
    expect([said.status, await said.json()]).toEqual([200, { received: true }])
    expect(await available(account)).toBe(10n * USD)
  })

  it('does not exist for a processor that is not configured', async () => {
    const account = await aRegistered()
    const { send, topup } = aStory(account)
    expect(await send(topup(), SECRET, '/webhooks/payments/paypal')).toBe(404)
    const none = new Hono<AppEnv>().route(
      '/webhooks',
      createPaymentRoutes({ db: env.DB, accounts, clock: aClock(), payments: [] }),
    )
    none.onError((error) => toResponse(error, 'req_test'))
    const { body, headers } = signed(topup(), START)
    expect((await none.request('/webhooks/payments/stripe', { method: 'POST', body, headers })).status).toBe(404)
  })
})

import { describe, expect, it } from 'vitest'
import { createStripeAdapter } from '../../../../gateway/ledger/payments/stripe-events.ts'
import { instant } from '../../../../protocol/units.ts'
import { START } from '../ledger-house.ts'
import { aCharge, aDispute, anEvent, aSession, SECRET, signatureOf, signed } from './stripe-house.ts'

const stripe = createStripeAdapter({ webhookSecret: SECRET, isLive: false })
const bytes = (text: string) => new TextEncoder().encode(text)
const header = (text: string) => new Headers({ 'stripe-signature': text })
const read = (event: object | string, adapter = stripe) => {
  const { headers, body } = signed(event, START)
  return adapter.read(headers, bytes(body), START)
}
const ignored = { ok: true, value: [] }
const refused = { ok: false, code: 'signature_refused' }

describe('a signature', () => {
  // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test_0123456789abcdef
  const body = '{"id":"evt_1"}'
  const known = '950d8e5fabb3af089049297d5e94a2a84e25776792dfb61711758872d45f2336'
  const at = (ms: number) => instant(1_700_000_000_000 + ms)
  const judge = (text: string, now = at(0), raw = body) => stripe.read(header(text), bytes(raw), now)
  /** signed as it should be, and no event of Stripe's shape */
  const accepted = { ok: false, code: 'invalid_request' }

  it('of another program is the same', () => {
    expect(signatureOf(body, 1_700_000_000)).toBe(known)
    expect(judge(`t=1700000000,v1=${known}`)).toMatchObject(accepted)
  })

  it.each([
    ['exactly 300 s old', 300_000, accepted],
    ['one millisecond more', 300_001, refused],
    ['300 s ahead', -300_000, accepted],
    ['one millisecond more ahead', -300_001, refused],
  ])('that is %s', (_, ms, expected) => {
    expect(judge(`t=1700000000,v1=${known}`, at(ms))).toMatchObject(expected)
  })

  it.each([
    ['of another body', `t=1700000000,v1=${known}`, `${body} `],
    ['of another time', `t=1700000001,v1=${known}`, body],
    ['with one bit flipped', `t=1700000000,v1=${known.slice(0, -1)}7`, body],
    ['of the old scheme only', `t=1700000000,v0=${known}`, body],
    ['that is too short', `t=1700000000,v1=${known.slice(2)}`, body],
    ['in capitals', `t=1700000000,v1=${known.toUpperCase()}`, body],
    ['without a time', `v1=${known}`, body],
    ['with a time that is none', `t=1e9,v1=${known}`, body],
    ['that is empty', '', body],
    ['with a header of a thousand characters and one', `t=1700000000,v1=${known},`.padEnd(1_001, 'x'), body],
  ])('%s is refused', (_, text, raw) => {
    expect(judge(text, at(0), raw)).toEqual(refused)
  })

  it('may stand in a header of a thousand characters', () => {
    expect(judge(`t=1700000000,v1=${known},`.padEnd(1_000, 'x'))).toMatchObject(accepted)
  })

  it('is found among several, as during a rotation', () => {
    const others = ['a', 'b'].map((digit) => `v1=${digit.repeat(64)}`)
    expect(judge(`t=1700000000,${others[0]},v1=${known},${others[1]}`)).toMatchObject(accepted)
    expect(judge(`t=1700000000,${others.join()}`)).toEqual(refused)
    expect(judge(`t=1700000000,v1=${signatureOf(body, 1_700_000_000, `${SECRET}x`)}`)).toEqual(refused)
  })
})

describe('an event', () => {
  const topup = { kind: 'topup', payment: 'pi_1', accountId: 'me', amountNanos: 10_000_000_000n }
  const chargeback = { kind: 'chargeback', payment: 'pi_1', dispute: 'dp_1', amountNanos: 10_000_000_000n }
  const reinstated = { kind: 'reinstated', payment: 'pi_1', dispute: 'dp_1' }
  const mine = { client_reference_id: 'me' }
  it.each([
    ['a paid checkout', 'checkout.session.completed', aSession(mine), [topup]],
    ['one paid later', 'checkout.session.async_payment_succeeded', aSession(mine), [topup]],
    [
      'one cent',
      'checkout.session.completed',
      aSession({ ...mine, amount_total: 1 }),
      [{ ...topup, amountNanos: 10_000_000n }],
    ],
    ['one not paid yet', 'checkout.session.completed', aSession({ ...mine, payment_status: 'unpaid' }), []],
    ['a free one', 'checkout.session.completed', aSession({ ...mine, payment_status: 'no_payment_required' }), []],
    ['one that failed later', 'checkout.session.async_payment_failed', aSession(mine), []],
    ['a dispute', 'charge.dispute.created', aDispute(), [chargeback]],
    ['an inquiry, which takes no money', 'charge.dispute.created', aDispute({ status: 'warning_needs_response' }), []],
    [
      'one prevented, whose refund is told as a refund',
      'charge.dispute.created',
      aDispute({ status: 'prevented' }),
      [],
    ],
    ['funds withdrawn', 'charge.dispute.funds_withdrawn', aDispute(), [chargeback]],
    ['funds reinstated', 'charge.dispute.funds_reinstated', aDispute({ status: 'won' }), [reinstated]],
    ['a dispute won', 'charge.dispute.closed', aDispute({ status: 'won' }), [reinstated]],
    ['a dispute lost', 'charge.dispute.closed', aDispute({ status: 'lost' }), []],
    ['an inquiry closed', 'charge.dispute.closed', aDispute({ status: 'warning_closed' }), []],
    [
      'a refund, by all refunds together',
      'charge.refunded',
      aCharge(250),
      [{ kind: 'refunded', payment: 'pi_1', totalNanos: 2_500_000_000n }],
    ],
    ['a refund of nothing', 'charge.refunded', aCharge(0), []],
    ['what is not about money', 'customer.created', { id: 'cus_1' }, []],
    ['a type named like a method', 'toString', {}, []],
  ])('%s', (_, type, object, value) => {
    expect(read(anEvent(type, object))).toEqual({ ok: true, value })
  })

  it.each([
    ['another currency', 'checkout.session.completed', aSession({ ...mine, currency: 'eur' }), 'pi_1', 'dollars'],
    ['no account', 'checkout.session.completed', aSession(), 'pi_1', 'account'],
    [
      'no payment',
      'checkout.session.completed',
      aSession({ ...mine, payment_intent: null }),
      'cs_test_a1b2c3',
      'payment',
    ],
    ['a dispute in another currency', 'charge.dispute.created', aDispute({ currency: 'eur' }), 'dp_1', 'dollars'],
    ['a dispute of no payment', 'charge.dispute.created', aDispute({ payment_intent: null }), 'dp_1', 'payment'],
    ['a refund in another currency', 'charge.refunded', aCharge(5, { currency: 'eur' }), 'ch_1', 'dollars'],
  ])('of %s is for somebody to look at', (_, type, object, reference, why) => {
    const value = [{ kind: 'unbookable', reference, why: expect.stringContaining(why) as string }]
    expect(read(anEvent(type, object))).toEqual({ ok: true, value })
  })

  it('of the other mode is never booked', () => {
    const live = createStripeAdapter({ webhookSecret: SECRET, isLive: true })
    const test = anEvent('checkout.session.completed', aSession(mine))
    expect(read(test, live)).toMatchObject({ value: [{ kind: 'unbookable', why: 'it is a test event' }] })
    expect(read({ ...test, livemode: true })).toMatchObject({
      value: [{ kind: 'unbookable', why: 'it is a live event' }],
    })
    expect(read({ ...test, livemode: true }, live)).toMatchObject({ value: [{ kind: 'topup' }] })
    expect(read(anEvent('customer.created', {}, { livemode: true }))).toEqual(ignored)
  })

  it.each([
    ['no JSON', '{'],
    ['JSON that is no event', '[]'],
    ['an amount of nothing', anEvent('checkout.session.completed', aSession({ ...mine, amount_total: 0 }))],
    ['less than nothing', anEvent('charge.dispute.created', aDispute({ amount: -1 }))],
    ['a fraction of a cent', anEvent('charge.dispute.created', aDispute({ amount: 1.5 }))],
    ['a million dollars', anEvent('checkout.session.completed', aSession({ ...mine, amount_total: 100_000_000 }))],
    ['an amount that is text', anEvent('checkout.session.completed', aSession({ ...mine, amount_total: '1000' }))],
    ['a reference with a colon', anEvent('checkout.session.completed', aSession({ ...mine, payment_intent: 'pi:1' }))],
    ['no object', anEvent('charge.refunded', {}, { data: {} })],
  ])('that is signed but %s is refused', (_, event) => {
    expect(read(event)).toMatchObject({ ok: false, code: 'invalid_request' })
  })

  it('one cent below a million dollars is the most there is', () => {
    const most = anEvent('checkout.session.completed', aSession({ ...mine, amount_total: 99_999_999 }))
    expect(read(most)).toMatchObject({ value: [{ amountNanos: 999_999_990_000_000n }] })
  })
})

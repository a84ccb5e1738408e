// Events in Stripe's documented format, cut to what a processor always sends, and signed with node's own HMAC, not with the code under test.
import { createHmac } from 'node:crypto'
import type { Instant } from '../../../../protocol/units.ts'

export const SECRET = 'whsec_test_0123456789abcdef'

export const anEvent = (type: string, object: object, over: object = {}) => ({
  id: 'evt_1PqXyz',
  object: 'event',
  api_version: '2024-06-20',
  created: 2_223_456_000,
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  type,
  data: { object },
  ...over,
})

export const aSession = (over: object = {}) => ({
  id: 'cs_test_a1b2c3',
  object: 'checkout.session',
  amount_subtotal: 1_000,
  amount_total: 1_000,
  client_reference_id: null,
  currency: 'usd',
  livemode: false,
  metadata: {},
  mode: 'payment',
  payment_intent: 'pi_1',
  payment_status: 'paid',
  status: 'complete',
  ...over,
})

export const aDispute = (over: object = {}) => ({
  id: 'dp_1',
  object: 'dispute',
  amount: 1_000,
  balance_transactions: [],
  charge: 'ch_1',
  currency: 'usd',
  is_charge_refundable: false,
  livemode: false,
  payment_intent: 'pi_1',
  reason: 'fraudulent',
  status: 'needs_response',
  ...over,
})

export const aCharge = (refundedCents: number, over: object = {}) => ({
  id: 'ch_1',
  object: 'charge',
  amount: 1_000,
  amount_captured: 1_000,
  amount_refunded: refundedCents,
  currency: 'usd',
  livemode: false,
  payment_intent: 'pi_1',
  refunded: refundedCents === 1_000,
  status: 'succeeded',
  ...over,
})

export const signatureOf = (body: string, seconds: number | string, secret = SECRET): string =>
  createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')

export function signed(event: object | string, now: Instant, secret = SECRET): { body: string; headers: Headers } {
  const body = typeof event === 'string' ? event : JSON.stringify(event)
  const seconds = Math.floor(now / 1_000)
  const header = `t=${seconds},v1=${signatureOf(body, seconds, secret)},v0=${'0'.repeat(64)}`
  return { body, headers: new Headers({ 'stripe-signature': header, 'content-type': 'application/json' }) }
}

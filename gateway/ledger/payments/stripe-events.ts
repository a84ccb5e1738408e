// Stripe's events as payment facts: a rule. The signature is checked over the raw bytes before anything is parsed
// (https://docs.stripe.com/webhooks#verify-manually): HMAC-SHA256 of `<t>.<body>` under the endpoint's secret, any of several v1 during a
// rotation, and a time close to ours, so that a captured event is worth nothing later. Only dollars are booked; the rest is said aloud.
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { concatBytes, hexToBytes, utf8ToBytes } from '../../../protocol/canonical.ts'
import type { Result } from '../../../protocol/errors.ts'
import { nanos, type Instant, type Nanos } from '../../../protocol/units.ts'
import { LEDGER } from '../limits/limits.ts'
import type { PaymentAdapter, PaymentEvent } from './payment-port.ts'

export interface StripeConfig {
  /** of the endpoint, whsec_… */
  readonly webhookSecret: string
  /** false: only test-mode events are booked */
  readonly isLive: boolean
}

const NANOS_PER_CENT = 10_000_000n
/** Characters of a signature header: room for a dozen signatures. */
const HEADER_CHARS = 1_000

const Reference = z.string().regex(/^[A-Za-z0-9_]{1,200}$/)
/** Stripe's own ceiling is eight digits. */
const Cents = z.number().int().min(1).max(99_999_999)

const EventJson = z.object({
  type: z.string(),
  livemode: z.boolean(),
  id: Reference,
  data: z.object({ object: z.unknown() }),
})
const SessionJson = z.object({
  id: Reference,
  payment_status: z.string(),
  currency: z.string().nullable(),
  amount_total: z.number().int().nullable(),
  client_reference_id: z.string().max(200).nullable(),
  payment_intent: Reference.nullable(),
})
const DisputeJson = z.object({
  id: Reference,
  status: z.string(),
  currency: z.string(),
  amount: z.number().int(),
  payment_intent: Reference.nullable(),
})
const ChargeJson = z.object({
  id: Reference,
  currency: z.string(),
  amount_refunded: z.number().int().min(0),
  payment_intent: Reference.nullable(),
})

const RefundJson = z.object({ id: Reference, payment_intent: Reference.nullable() })

/** Only events of a checkout, a dispute or a refund say anything; the rest is not for us. */
const READERS: Readonly<Record<string, (object: unknown) => PaymentEvent[]>> = {
  'checkout.session.completed': readSession,
  'checkout.session.async_payment_succeeded': readSession,
  'charge.dispute.created': readDispute,
  'charge.dispute.funds_withdrawn': readWithdrawnDispute,
  'charge.dispute.funds_reinstated': readReinstated,
  'charge.dispute.closed': (object) => (DisputeJson.parse(object).status === 'won' ? readReinstated(object) : []),
  'charge.refunded': readRefund,
  'refund.failed': readFailedRefund,
}

export function createStripeAdapter({ webhookSecret, isLive }: StripeConfig): PaymentAdapter {
  const secret = utf8ToBytes(webhookSecret)
  return {
    name: 'stripe',
    read(headers, rawBody, now) {
      if (!isSigned(headers.get('stripe-signature') ?? '', rawBody, secret, now))
        return { ok: false, code: 'signature_refused' }
      return readEvent(rawBody, isLive)
    },
  }
}

function readEvent(rawBody: Uint8Array, isLive: boolean): Result<PaymentEvent[]> {
  try {
    const { id, type, livemode, data } = EventJson.parse(JSON.parse(new TextDecoder().decode(rawBody)))
    const read = Object.hasOwn(READERS, type) ? READERS[type] : undefined
    if (!read) return { ok: true, value: [] }
    const why = `it is a ${livemode ? 'live' : 'test'} event`
    if (livemode !== isLive) return { ok: true, value: [{ kind: 'unbookable', reference: id, why }] }
    return { ok: true, value: read(data.object) }
  } catch {
    // Signed, and not of the shape that Stripe documents: to book a guess would be worse than to be asked again.
    return { ok: false, code: 'invalid_request', detail: 'This event cannot be read.' }
  }
}

function readSession(object: unknown): PaymentEvent[] {
  const session = SessionJson.parse(object)
  // `unpaid` is followed by an async event; `no_payment_required` is none.
  if (session.payment_status !== 'paid') return []
  const { client_reference_id: accountId, payment_intent: payment } = session
  if (payment === null) return unbookable(session.id, 'it has no payment')
  if (session.currency !== 'usd') return unbookable(payment, 'it is not in dollars')
  if (accountId === null) return unbookable(payment, 'it names no account')
  return [{ kind: 'topup', payment, accountId, amountNanos: amountOf(session.amount_total) }]
}

/**
 * An inquiry (`warning_…`) has taken no money, and a prevented dispute was a refund, told as one; when either becomes a dispute, the funds are
 * withdrawn with an event of their own.
 */
function readDispute(object: unknown): PaymentEvent[] {
  const { status } = DisputeJson.parse(object)
  return status.startsWith('warning_') || status === 'prevented' ? [] : readWithdrawnDispute(object)
}

function readWithdrawnDispute(object: unknown): PaymentEvent[] {
  const { id: dispute, currency, amount, payment_intent: payment } = DisputeJson.parse(object)
  if (payment === null) return unbookable(dispute, 'it names no payment')
  if (currency !== 'usd') return unbookable(dispute, 'it is not in dollars')
  return [{ kind: 'chargeback', payment, dispute, amountNanos: amountOf(amount) }]
}

function readReinstated(object: unknown): PaymentEvent[] {
  const { id: dispute, payment_intent: payment } = DisputeJson.parse(object)
  return payment === null ? unbookable(dispute, 'it names no payment') : [{ kind: 'reinstated', payment, dispute }]
}

function readRefund(object: unknown): PaymentEvent[] {
  const { id, currency, amount_refunded: total, payment_intent: payment } = ChargeJson.parse(object)
  if (total === 0) return []
  if (payment === null) return unbookable(id, 'it names no payment')
  if (currency !== 'usd') return unbookable(id, 'it is not in dollars')
  return [{ kind: 'refunded', payment, totalNanos: amountOf(total) }]
}

/** The money came back to us after its refund was booked. Which part of which total it was, this event does not say. */
function readFailedRefund(object: unknown): PaymentEvent[] {
  const { id, payment_intent: payment } = RefundJson.parse(object)
  return unbookable(id, `the refund of ${payment ?? 'an unnamed payment'} failed after it was taken from its account`)
}

const amountOf = (cents: number | null): Nanos => nanos(BigInt(Cents.parse(cents)) * NANOS_PER_CENT)

const unbookable = (reference: string, why: string): PaymentEvent[] => [{ kind: 'unbookable', reference, why }]

/** `t=1700000000,v1=<hex>,v1=<hex>,v0=…`: any v1 that fits, if t is close to now. */
function isSigned(header: string, rawBody: Uint8Array, secret: Uint8Array, now: Instant): boolean {
  if (header.length > HEADER_CHARS) return false
  const parts = header.split(',').map((part) => part.trim())
  const time = parts.find((part) => part.startsWith('t='))?.slice(2) ?? ''
  if (!/^\d{1,12}$/.test(time) || Math.abs(now - Number(time) * 1_000) > LEDGER.paymentSkewMs) return false
  const expected = hmac(sha256, secret, concatBytes(utf8ToBytes(`${time}.`), rawBody))
  const given = parts.filter((part) => /^v1=[0-9a-f]{64}$/.test(part)).map((part) => hexToBytes(part.slice(3)))
  return given.reduce((isFound, signature) => isEqual(signature, expected) || isFound, false)
}

/** In the same time whatever differs. Both are 32 bytes. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let at = 0; at < b.length; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0)
  return difference === 0
}

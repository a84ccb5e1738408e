// Webhooks: what an account's owner is told, how such a message is signed (Standard Webhooks 1.0, symmetric), and how a receiver checks it.
// A message comes at least once and in no promised order: `webhook-id` stays the same for the same event, so that a receiver can tell.
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { page, Timestamp, Usd } from './auth.ts'
import { utf8ToBytes } from './canonical.ts'
import type { Result } from './errors.ts'

/** What a guard tells of, in the transaction that did it. */
export const GuardEventKind = z.enum([
  'balance.low',
  'budget.reached',
  'refund.created',
  'account.frozen',
  'account.unfrozen',
])
export type GuardEventKind = z.infer<typeof GuardEventKind>

/** What a webhook can be made for. */
export const EventKind = z.enum([
  ...GuardEventKind.options,
  'statement.ready',
  'payout_address.changed',
  'member.changing',
  'dispute.rejected',
])
export type EventKind = z.infer<typeof EventKind>

/** Amounts in decimal dollars, ids as text, times as ISO 8601. */
export const EventData = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))
export type EventData = Readonly<z.infer<typeof EventData>>

/** The body of a message. New kinds may come: a receiver answers 2xx to those it does not know. */
export const WebhookMessage = z.object({
  /** an {@link EventKind}, or `test` */
  type: z.string(),
  /** when it happened, not when it was sent */
  timestamp: Timestamp,
  data: EventData.and(z.object({ accountId: z.string() })),
})
export type WebhookMessage = z.infer<typeof WebhookMessage>

/** `PUT /api/account/alerts`: "0" tells nothing. 409 `changed_meanwhile` when `version` is not the present one; absent: whatever it is. */
export const AlertsRequest = z.strictObject({ balanceLowUsd: Usd, version: z.number().int().optional() })
export const AlertsView = z.object({
  balanceLowUsd: z.string(),
  /** counts up with every change: what a change is based on */
  version: z.number().int().default(0),
})
export type AlertsView = z.infer<typeof AlertsView>

/** `POST /api/webhooks`. Absent kinds are all, also those to come. */
export const CreateWebhookRequest = z.strictObject({
  url: z.string().min(1).max(2048),
  kinds: z.array(EventKind).min(1).max(EventKind.options.length).optional(),
})
export type CreateWebhookRequest = z.infer<typeof CreateWebhookRequest>

export const WebhookView = z.object({
  id: z.string(),
  url: z.string(),
  /** null: all */
  kinds: z.array(z.string()).nullable(),
  createdAt: Timestamp,
  /** since when every delivery failed; null while it works */
  failingSince: Timestamp.nullable(),
  /** since when nothing is sent, and why; null while it is in use */
  disabledAt: Timestamp.nullable(),
  reason: z.string().nullable(),
  /** after a rotation: until when the secret before signs as well */
  oldSecretUntil: Timestamp.nullable(),
})
export type WebhookView = z.infer<typeof WebhookView>
export const WebhookList = page(WebhookView)

/**
 * `POST /api/webhooks/{id}/rotate`, with or without a body. `oldSecretUntil` as it was seen: 409 `changed_meanwhile` when somebody made a new
 * secret meanwhile, since each signs beside one other only. Absent: whatever was made.
 */
export const RotateRequest = z.strictObject({ oldSecretUntil: Timestamp.nullable().optional() })
export type RotateRequest = z.infer<typeof RotateRequest>

/** 201 of `POST /api/webhooks` and 200 of `…/rotate`: the only time a secret is shown. */
export const WebhookWithSecret = WebhookView.extend({ secret: z.string() })
export type WebhookWithSecret = z.infer<typeof WebhookWithSecret>

/** In a word, why a try failed. */
export const DeliveryError = z.enum([
  // the URL, or what its name leads to now, is not acceptable
  'address_refused',
  'connection_failed',
  'timeout',
  // an answer that sends elsewhere is not followed
  'redirected',
  // any other status than 2xx
  'refused',
  // 410: the receiver wants nothing more
  'gone',
  // the secret cannot be opened any more (the gateway has another one of its own): rotate it
  'secret_lost',
  // given up because the webhook was disabled
  'disabled',
])
export type DeliveryError = z.infer<typeof DeliveryError>

export const DeliveryView = z.object({
  id: z.string(),
  /** the message's `webhook-id`: the same for every try of the same event */
  event: z.string(),
  type: z.string(),
  /** pending: it is tried, or tried again, at `nextAt` */
  state: z.enum(['pending', 'delivered', 'failed']),
  tries: z.number().int(),
  /** HTTP status of the last try; null without an answer */
  status: z.number().int().nullable(),
  error: DeliveryError.nullable(),
  /** of the last try */
  ms: z.number().int().nullable(),
  createdAt: Timestamp,
  triedAt: Timestamp.nullable(),
  nextAt: Timestamp.nullable(),
})
export type DeliveryView = z.infer<typeof DeliveryView>
export const DeliveryPage = page(DeliveryView)

export interface SignedHeaders extends Record<string, string> {
  readonly 'webhook-id': string
  /** seconds since the Unix epoch, of this try */
  readonly 'webhook-timestamp': string
  /** `v1,<base64>`, one for each secret, separated by blanks */
  readonly 'webhook-signature': string
}

/**
 * The headers of one try. HMAC-SHA256 over `<id>.<seconds>.<body>`.
 * @param secrets each `whsec_<base64>`: two while one takes over from the other
 * @throws TypeError for a secret that is none, which it does not quote
 */
export function signWebhook(secrets: readonly string[], id: string, seconds: number, body: string): SignedHeaders {
  const signatures = secrets.map((secret) => {
    const key = secretBytes(secret)
    if (!key) throw new TypeError('a signing secret is whsec_ and 24 to 64 bytes in base64')
    return `v1,${macOf(key, id, String(seconds), utf8ToBytes(body))}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': signatures.join(' ') }
}

export type WebhookRefusal =
  | 'secret_malformed'
  | 'headers_missing'
  // too old or too far ahead: perhaps sent again by somebody who overheard it
  | 'timestamp_refused'
  | 'signature_refused'
  // rightly signed, and not of this wire
  | 'body_unreadable'

/** A `Headers`, or Node.js's plain object. */
export type WebhookHeaders =
  { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>>

export interface VerifiedWebhook {
  /** the same event has the same id, however often it comes */
  readonly id: string
  readonly message: WebhookMessage
}

/**
 * For receivers: whether this request is from the gateway that gave out `secret`, and what it says. Takes as long for any wrong signature.
 * @param rawBody as it came, before any JSON parser
 * @example const checked = verifyWebhook(request.headers, await request.text(), secret, Date.now() / 1000)
 */
export function verifyWebhook(
  headers: WebhookHeaders,
  rawBody: string | Uint8Array,
  secret: string,
  nowSeconds: number,
  toleranceSeconds = 300,
): Result<VerifiedWebhook, WebhookRefusal> {
  const key = secretBytes(secret)
  if (!key) return { ok: false, code: 'secret_malformed' }
  const id = headerOf(headers, 'webhook-id')
  const seconds = headerOf(headers, 'webhook-timestamp')
  const signatures = headerOf(headers, 'webhook-signature')
  if (!id || !seconds || !signatures) return { ok: false, code: 'headers_missing' }
  // A comparison with NaN is false: what is not known to be near is refused.
  const isNear = /^\d{1,12}$/.test(seconds) && Math.abs(nowSeconds - Number(seconds)) <= toleranceSeconds
  if (!isNear) return { ok: false, code: 'timestamp_refused' }
  const body = typeof rawBody === 'string' ? utf8ToBytes(rawBody) : rawBody
  // A full stop in the id would let the same signed bytes be read as another id with another body.
  const expected = `v1,${macOf(key, id, seconds, body)}`
  const found = signatures.split(' ').slice(0, SIGNATURES_MAX)
  const isSigned = found.map((signature) => isSame(signature, expected)).includes(true)
  if (!isSigned || id.includes('.')) return { ok: false, code: 'signature_refused' }
  const message = readMessage(body)
  return message ? { ok: true, value: { id, message } } : { ok: false, code: 'body_unreadable' }
}

const SECRET_PREFIX = 'whsec_'
/** bytes; 24 to 64 are allowed by the standard */
export const WEBHOOK_SECRET_BYTES = 32
/** signatures looked at in one header: a rotation has two */
const SIGNATURES_MAX = 10

/** @param bytes {@link WEBHOOK_SECRET_BYTES} random ones @example webhookSecret(random(32)) // 'whsec_…' */
export const webhookSecret = (bytes: Uint8Array): string => SECRET_PREFIX + base64(bytes)

/** Null for what is no secret. */
function secretBytes(secret: string): Uint8Array | null {
  const text = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : ''
  if (!/^[A-Za-z0-9+/]{32,88}={0,2}$/.test(text) || text.length % 4 !== 0) return null
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  return bytes.length >= 24 && bytes.length <= 64 ? bytes : null
}

function macOf(key: Uint8Array, id: string, seconds: string, body: Uint8Array): string {
  const mac = hmac
    .create(sha256, key)
    .update(utf8ToBytes(`${id}.${seconds}.`))
    .update(body)
  return base64(mac.digest())
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** Looks at every character, so that time does not say how many are right. */
function isSame(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length
  for (let i = 0; i < expected.length; i++) difference |= given.charCodeAt(i) ^ expected.charCodeAt(i)
  return difference === 0
}

function headerOf(headers: WebhookHeaders, name: string): string | null {
  if (typeof headers.get === 'function') return headers.get(name)
  const entry = Object.entries(headers).find(([key]) => key.toLowerCase() === name)
  const value: unknown = Array.isArray(entry?.[1]) ? entry[1][0] : entry?.[1]
  return typeof value === 'string' ? value : null
}

function readMessage(body: Uint8Array): WebhookMessage | null {
  try {
    return WebhookMessage.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)))
  } catch {
    // Whatever it is, it is no message of ours.
    return null
  }
}

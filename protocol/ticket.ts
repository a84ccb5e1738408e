// A ticket is the gateway's signed order for one attempt: which node, which model, at most how much, at what price, for exactly this body.
// Compact JWS, EdDSA (RFC 7515, RFC 8037). A node serves nothing without one and each only once.
import { z } from 'zod'
import { compactVerify, CompactSign, type CryptoKey } from 'jose'
import { fromBase64url, utf8ToBytes } from './canonical.ts'
import type { Result } from './errors.ts'

/** How far clocks may be apart, and so how long a ticket can be used: seconds either side. */
export const TICKET_SECONDS = 60

const DecimalInteger = z.string().regex(/^\d{1,16}$/)

export const Ticket = z.object({
  iss: z.string(),
  /** the node's Ed25519 public key, base64url */
  aud: z.string(),
  jti: z.string(),
  /** seconds */
  iat: z.number().int(),
  exp: z.number().int(),
  callId: z.string(),
  attempt: z.number().int().min(0),
  path: z.string(),
  model: z.string(),
  modelDigest: z.string(),
  inputTokensMax: z.number().int(),
  outputTokensMax: z.number().int(),
  /** bytes of tensors, in and out; absent: none */
  tensorBytesMax: z.number().int().min(0).optional(),
  /** nanos per million units and per call, as decimal integers: frozen for this attempt */
  prices: z.object({
    input: DecimalInteger,
    output: DecimalInteger,
    cachedInput: DecimalInteger,
    bytes: DecimalInteger,
    perCall: DecimalInteger,
  }),
  /** sha256 of the body's bytes, hex */
  bodySha256: z.string(),
  /** base64url, 16 bytes: salts the receipt's hashes, so that a receipt alone tells nothing of a prompt */
  salt: z.string(),
  /** who asks, under a name that only this node knows: for fairness in its queue */
  pseudonym: z.string(),
  /** whose call it is, sealed so that only the gateway can read it: how a receipt that is handed in late finds its account */
  ref: z.string().max(200).optional(),
})
export type Ticket = z.infer<typeof Ticket>

export type TicketRefusal = 'malformed' | 'bad_signature' | 'wrong_audience' | 'expired' | 'not_yet_valid'

/** @param key the gateway's Ed25519 private key; `kid` names it in `/.well-known/jwks.json` */
export function signTicket(ticket: Ticket, key: CryptoKey, kid: string): Promise<string> {
  return signClaims(ticket, key, { kid, typ: 'souk-ticket' })
}

/** Checks signature, audience and times. The body's hash, the path and single use are the caller's to check: they need the request. */
export async function verifyTicket(
  jws: string,
  check: { resolveKey: (kid: string) => Promise<CryptoKey | null>; audience: string; nowSeconds: number },
): Promise<Result<Ticket, TicketRefusal>> {
  const verified = await verifyClaims(jws, 'souk-ticket', Ticket, check.resolveKey)
  if (!verified.ok) return verified
  const ticket = verified.value
  if (ticket.aud !== check.audience) return { ok: false, code: 'wrong_audience' }
  if (ticket.exp < check.nowSeconds || ticket.exp - ticket.iat > 2 * TICKET_SECONDS)
    return { ok: false, code: 'expired' }
  if (ticket.iat > check.nowSeconds + TICKET_SECONDS) return { ok: false, code: 'not_yet_valid' }
  return { ok: true, value: ticket }
}

/** Signature and shape alone, for who settles what a ticket ordered: it may have expired long ago. */
export function verifyOldTicket(
  jws: string,
  resolveKey: (kid: string) => Promise<CryptoKey | null>,
): Promise<Result<Ticket, 'malformed' | 'bad_signature'>> {
  return verifyClaims(jws, 'souk-ticket', Ticket, resolveKey)
}

/** The claims of a ticket whose signature somebody has checked before; null when there are none to read. */
export function readTicket(jws: string): Ticket | null {
  try {
    const claims: unknown = JSON.parse(new TextDecoder().decode(fromBase64url(jws.split('.')[1] ?? '')))
    return Ticket.safeParse(claims).data ?? null
  } catch {
    return null
  }
}

/** Signs JSON claims as a compact EdDSA JWS with a `typ`, so that no signature can stand for another kind of statement. */
export function signClaims(claims: object, key: CryptoKey, header: { typ: string; kid?: string }): Promise<string> {
  return new CompactSign(utf8ToBytes(JSON.stringify(claims))).setProtectedHeader({ alg: 'EdDSA', ...header }).sign(key)
}

/** The reverse of {@link signClaims}: type, signature and shape, in that order. */
export async function verifyClaims<T>(
  jws: string,
  typ: string,
  schema: z.ZodType<T>,
  resolveKey: (kid: string) => Promise<CryptoKey | null>,
): Promise<Result<T, 'malformed' | 'bad_signature'>> {
  try {
    const { payload, protectedHeader } = await compactVerify(
      jws,
      async (header) => {
        const { alg, kid = '' }: { alg?: unknown; kid?: unknown } = header
        const key = alg === 'EdDSA' && typeof kid === 'string' ? await resolveKey(kid) : null
        if (!key) throw new Error('unknown key')
        return key
      },
      { algorithms: ['EdDSA'] },
    )
    const parsed = schema.safeParse(JSON.parse(new TextDecoder().decode(payload)))
    if (protectedHeader.typ !== typ || !parsed.success) return { ok: false, code: 'malformed' }
    return { ok: true, value: parsed.data }
  } catch {
    // jose throws one class per cause; whoever sent a bad token learns only that it is bad.
    return { ok: false, code: 'bad_signature' }
  }
}

// The gateway's own Ed25519 key: signs tickets, published at /.well-known/jwks.json. A secret in production, made in the state folder locally.
import { calculateJwkThumbprint, type JWK } from 'jose'
import { z } from 'zod'
import { importPrivateKey } from '../../protocol/keys.ts'
import { signTicket, type Ticket } from '../../protocol/ticket.ts'

const PrivateJwk = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() })

export interface GatewayKey {
  readonly kid: string
  sign(ticket: Ticket): Promise<string>
  /** RFC 7517 set with the public half */
  readonly jwks: { keys: JWK[] }
}

/** @param secret Ed25519 private JWK as JSON (RFC 8037). @throws Error that never quotes it */
export async function loadGatewayKey(secret: string): Promise<GatewayKey> {
  const jwk = parseSecret(secret)
  const key = await importPrivateKey(jwk)
  const publicJwk = { kty: jwk.kty, crv: jwk.crv, x: jwk.x }
  const kid = await calculateJwkThumbprint(publicJwk)
  return {
    kid,
    sign: (ticket) => signTicket(ticket, key, kid),
    jwks: { keys: [{ ...publicJwk, kid, alg: 'EdDSA', use: 'sig' }] },
  }
}

/** A parser's own message would quote the start of the secret. */
function parseSecret(secret: string): z.infer<typeof PrivateJwk> {
  try {
    return PrivateJwk.parse(JSON.parse(secret))
  } catch {
    throw new Error('SOUK_SIGNING_KEY is no Ed25519 private JWK')
  }
}

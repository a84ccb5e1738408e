// The gateway's own Ed25519 key: signs tickets, journals' heads and statements, published at /.well-known/jwks.json. A secret in production, made in the state folder locally.
import { calculateJwkThumbprint } from 'jose'
import { z } from 'zod'
import type { PublicJwk } from '../../protocol/journal-export.ts'
import { importPrivateKey } from '../../protocol/keys.ts'
import { signClaims, signTicket, type Ticket } from '../../protocol/ticket.ts'

const PrivateJwk = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() })

export interface GatewayKey {
  readonly kid: string
  sign(ticket: Ticket): Promise<string>
  /** Claims of another kind, under a `typ` of their own. */
  attest(typ: string, claims: object): Promise<string>
  /** RFC 7517 set with the public half */
  readonly jwks: { readonly keys: PublicJwk[] }
}

/** @param secret Ed25519 private JWK as JSON (RFC 8037). @throws Error that never quotes it */
export async function loadGatewayKey(secret: string): Promise<GatewayKey> {
  const jwk = parseSecret(secret)
  const key = await importPrivateKey(jwk)
  const publicJwk = { kty: jwk.kty, crv: jwk.crv, x: jwk.x } as const
  const kid = await calculateJwkThumbprint(publicJwk)
  return {
    kid,
    sign: (ticket) => signTicket(ticket, key, kid),
    attest: (typ, claims) => signClaims(claims, key, { typ, kid }),
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

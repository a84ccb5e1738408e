// The flow that proves a wallet: the rule first, then the nonce. In this order a wrong signature costs its sender something and
// nobody else anything. What was wrong stays inside: from outside every refusal is the same.
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { VerifyRequest } from '../../protocol/auth.ts'
import type { Instant } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { SIGN_IN } from '../core/limits.ts'
import { burnNonce } from './nonce-book.ts'
import { checkSignIn } from './sign-in.ts'
import type { Site } from './site.ts'

/** ms a wallet's clock may be ahead of ours */
const CLOCK_AHEAD_MS = 60_000

export interface Proof {
  /** EIP-55 */
  readonly address: string
  /** sha256 hex of the cookie of the browser that asked for the nonce */
  readonly presessionHash: string | null
}

/** @throws GatewayError sign_in_refused */
export async function proveWallet(
  { db, site, chainId, now }: { db: DrizzleD1Database; site: Site; chainId: number; now: Instant },
  { message, signature }: VerifyRequest,
): Promise<Proof> {
  const checked = await checkSignIn(message, signature, {
    domain: site.domain,
    uri: site.origin,
    chainId,
    now,
    nonce: null,
    issuedWithin: { ageMs: SIGN_IN.nonceMs, aheadMs: CLOCK_AHEAD_MS },
  })
  if (!checked.ok) throw new GatewayError('sign_in_refused', { cause: checked.code })
  const burned = await burnNonce(db, checked.value.nonce, now)
  if (!burned) throw new GatewayError('sign_in_refused', { cause: 'nonce' })
  return { address: checked.value.address, presessionHash: burned.presessionHash }
}

// The flow that proves a wallet: the rule first, then the nonce. In this order a wrong signature costs its sender something and
// nobody else anything. What was wrong stays inside: from outside every refusal is the same.
import { drizzle } from 'drizzle-orm/d1'
import type { VerifyRequest } from '../../protocol/auth.ts'
import type { Instant } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { SIGN_IN } from '../core/limits.ts'
import type { AuthNeeds } from './needs.ts'
import { burnNonce, isNonceAlive } from './nonce-book.ts'
import { checkSignIn, parseSignIn, type AskChain } from './sign-in.ts'
import { siteOf } from './site.ts'

/** ms a wallet's clock may be ahead of ours */
const CLOCK_AHEAD_MS = 60_000
/** characters of a key pair's signature: 65 bytes as 0x-hex */
const KEY_SIGNATURE = 132

export interface Proof {
  /** EIP-55 */
  readonly address: string
  /** EIP-155 id of the chain that was asked for its contract; null: a key pair signed */
  readonly chainId: number | null
  /** sha256 hex of the cookie of the browser that asked for the nonce */
  readonly presessionHash: string | null
}

/** @throws GatewayError sign_in_refused; unavailable and rate_limited where a chain has to be asked */
export function proveWallet(needs: Pick<AuthNeeds, 'db' | 'config' | 'contractWallets'>) {
  const db = drizzle(needs.db)
  const { contractWallets, config } = needs

  return async (url: string, { message, signature }: VerifyRequest, now: Instant): Promise<Proof> => {
    const site = siteOf(config, url)
    // A chain is asked only for a nonce that lives: it costs us more than its sender.
    const askChain: AskChain | null = contractWallets
      ? async (claim) => (await isNonceAlive(db, claim.nonce, now)) && contractWallets.hasSigned(claim)
      : null
    const expected = {
      domain: site.domain,
      uri: site.origin,
      chainId: config.chainId,
      now,
      nonce: null,
      issuedWithin: { ageMs: SIGN_IN.nonceMs, aheadMs: CLOCK_AHEAD_MS },
    }
    const checked = await checkSignIn(message, signature, expected, askChain)
    if (!checked.ok) {
      const isOfContract = checked.code === 'signature' && signature.length !== KEY_SIGNATURE
      const detail = 'This gateway asks no chain, so only wallets with a key pair sign in here.'
      throw new GatewayError('sign_in_refused', {
        cause: checked.code,
        ...(isOfContract && !contractWallets && parseSignIn(message) ? { detail } : {}),
      })
    }
    const { address, nonce, byContract } = checked.value
    const burned = await burnNonce(db, nonce, now)
    if (!burned) throw new GatewayError('sign_in_refused', { cause: 'nonce' })
    return { address, chainId: byContract ? config.chainId : null, presessionHash: burned.presessionHash }
  }
}

/**
 * Whether this proof is of the wallet that is known under its address. An address that came in with a key stays one: what code stands behind it on a
 * chain (EIP-7702, or a contract on another chain) does not sign for it. A contract's address is of its own chain, unless its key signs after all.
 */
export const isSameWallet = (known: { chainId: number | null }, proof: Pick<Proof, 'chainId'>): boolean =>
  proof.chainId === null || known.chainId === proof.chainId

// The rule of signing in: is this EIP-4361 message, signed like this, a sign-in to this gateway now? It promises that every doubt is
// a refusal (times that are no times, a text that does not read back as itself), and it never throws. Single use is not decided
// here: the nonce is burned by who asks, after this rule said yes, so that a wrong signature cannot consume somebody else's nonce.
import { SiweMessage } from 'siwe'
import type { Result } from '../../protocol/errors.ts'
import type { Instant } from '../../protocol/units.ts'

export interface ExpectedSignIn {
  /** RFC 3986 authority, with the port unless it is the scheme's own */
  readonly domain: string
  /** our origin: the message's URI lies under it, and its scheme, if it names one, is this one's */
  readonly uri: string
  /** EIP-155 */
  readonly chainId: number
  readonly now: Instant
  /** null: any, because it is burned afterwards */
  readonly nonce: string | null
  /** how far `issuedAt` may be away from now, in ms; null asks only that it is a time, as EIP-4361 does */
  readonly issuedWithin: { readonly ageMs: number; readonly aheadMs: number } | null
}

export interface SignIn {
  /** EIP-55 */
  readonly address: string
  readonly nonce: string
  /** a chain said so: the address is a contract's there */
  readonly byContract: boolean
}

/** What a chain is asked when no key pair signed: did the contract at this address sign this text (EIP-1271), or will it have (EIP-6492)? */
export type AskChain = (claim: {
  readonly address: string
  readonly text: string
  readonly signature: string
  readonly nonce: string
}) => Promise<boolean>

/** For the log and the tests. Outside they all look the same: `sign_in_refused`. */
export type SignInRefusal =
  'message' | 'domain' | 'uri' | 'chain' | 'version' | 'nonce' | 'issued_at' | 'expired' | 'not_yet_valid' | 'signature'

/**
 * @param text the message as the wallet signed it, at most 4096 characters
 * @param signature as 0x-hex: 65 bytes of a key pair, or whatever a contract understands
 * @param askChain null: only key pairs sign
 * @see https://eips.ethereum.org/EIPS/eip-4361
 */
export async function checkSignIn(
  text: string,
  signature: string,
  expected: ExpectedSignIn,
  askChain: AskChain | null = null,
): Promise<Result<SignIn, SignInRefusal>> {
  const message = parseSignIn(text)
  if (!message) return { ok: false, code: 'message' }
  const refusal = refusalOf(message, expected)
  if (refusal) return { ok: false, code: refusal }
  const { domain, now } = expected
  const time = new Date(now).toISOString()
  const verified = await message.verify({ signature, domain, time }, { suppressExceptions: true })
  const { address, nonce } = message
  if (verified.success) return { ok: true, value: { address, nonce, byContract: false } }
  if (askChain && (await askChain({ address, text, signature, nonce })))
    return { ok: true, value: { address, nonce, byContract: true } }
  return { ok: false, code: 'signature' }
}

/** Null for what EIP-4361's grammar does not allow, or what it allows but would not write back the same way. */
export function parseSignIn(text: string): SiweMessage | null {
  try {
    const message = new SiweMessage(text)
    return message.prepareMessage() === text ? message : null
  } catch {
    // The parser throws for every text outside the grammar; why is of no use to anybody but an attacker.
    return null
  }
}

function refusalOf(message: SiweMessage, expected: ExpectedSignIn): SignInRefusal | null {
  if (message.domain !== expected.domain) return 'domain'
  if (!isUnder(message.uri, expected.uri)) return 'uri'
  if (message.scheme && `${message.scheme}:` !== new URL(expected.uri).protocol) return 'uri'
  if (message.chainId !== expected.chainId) return 'chain'
  if (message.version !== '1') return 'version'
  if (expected.nonce !== null && message.nonce !== expected.nonce) return 'nonce'
  return timeRefusalOf(message, expected)
}

function timeRefusalOf(message: SiweMessage, { now, issuedWithin }: ExpectedSignIn): SignInRefusal | null {
  // NaN (a leap second passes the grammar) compares false with everything, so each test asks for what must be true.
  const age = now - Date.parse(message.issuedAt ?? '')
  if (Number.isNaN(age)) return 'issued_at'
  if (issuedWithin && (age > issuedWithin.ageMs || age < -issuedWithin.aheadMs)) return 'issued_at'
  if (message.expirationTime !== undefined && !(now < Date.parse(message.expirationTime))) return 'expired'
  if (message.notBefore !== undefined && !(now >= Date.parse(message.notBefore))) return 'not_yet_valid'
  return null
}

function isUnder(uri: string, origin: string): boolean {
  return URL.canParse(uri) && new URL(uri).origin === new URL(origin).origin
}

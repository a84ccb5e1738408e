// Where an account's withdrawals go: a rule. What stands of its changes now, and which addresses are nobody's: money sent there is lost, and
// most of them are slips of a hand or of a form that was left empty.
import { getAddress, isAddress } from 'viem'
import type { Result } from '../../../protocol/errors.ts'
import type { Instant } from '../../../protocol/units.ts'

/** One change that was not taken back. */
export interface PayoutChange {
  readonly address: string
  readonly requestedAt: Instant
  readonly effectiveAt: Instant
}

export interface PayoutStand {
  /** null: none was ever in force */
  readonly inForce: PayoutChange | null
  readonly pending: PayoutChange | null
}

/** @param changes the newest two at least, in any order */
export function payoutStand(changes: readonly PayoutChange[], now: Instant): PayoutStand {
  const byTime = [...changes].sort((a, b) => b.effectiveAt - a.effectiveAt)
  return {
    pending: byTime.find(({ effectiveAt }) => effectiveAt > now) ?? null,
    inForce: byTime.find(({ effectiveAt }) => effectiveAt <= now) ?? null,
  }
}

/** Below it lie the zero address, the precompiles and everything of a few digits: nobody has the key of any of them. */
const SMALL = 0x1_0000n
/** Where people send what is to be burnt, and what programs write for "the coin itself". */
const NOBODYS: ReadonlySet<string> = new Set([
  `0x${'f'.repeat(40)}`,
  `0x${'e'.repeat(40)}`,
  '0x000000000000000000000000000000000000dead',
  '0xdead000000000000000042069420694206942069',
])

/**
 * As EIP-55 writes it.
 * @example payoutAddress('0x0000000000000000000000000000000000000000') // { ok: false, detail: 'address: nobody has the key …' }
 */
export function payoutAddress(text: string): Result<string, 'invalid_request'> {
  const refused = (detail: string) => ({ ok: false, code: 'invalid_request', detail }) as const
  if (!isAddress(text, { strict: false })) return refused('address: an EVM address')
  const digits = text.slice(2)
  const isMixed = digits !== digits.toLowerCase() && digits !== digits.toUpperCase()
  if (isMixed && getAddress(text) !== text)
    return refused('address: its capital letters are its checksum (EIP-55), and they are wrong: a digit is mistyped')
  if (BigInt(text.toLowerCase()) < SMALL || NOBODYS.has(text.toLowerCase()))
    return refused('address: nobody has the key of this address')
  return { ok: true, value: getAddress(text) }
}

// The link that `souk-node register --browser` prints: everything but the wallet's signature, behind the `#`, which no server ever sees.
import type { z } from 'zod'
import { fromBase64url } from '../../../protocol/canonical.ts'
import { RegisterNodeRequest } from '../../../protocol/node.ts'

const Unsigned = RegisterNodeRequest.omit({ signature: true })
export type UnsignedRegistration = z.infer<typeof Unsigned>

/** @param hash what stands behind the `#` @returns what it asks for, or why it cannot be read, in words */
export function readLink(hash: string): { readonly request: UnsignedRegistration } | { readonly wrong: string } {
  let said: unknown
  try {
    said = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(fromBase64url(hash)))
  } catch {
    return { wrong: 'This link is damaged. Copy the whole of it from your terminal again.' }
  }
  const read = Unsigned.safeParse(said)
  if (!read.success) return { wrong: 'This link is not complete. Copy the whole of it from your terminal again.' }
  return { request: read.data }
}

export const EXPIRED =
  'This link has expired. Run souk-node register --browser again. (If it was made just now, a clock is wrong: this computer’s or the node’s.)'

/** @param now ms since 1970 */
export const isExpired = ({ deadline }: Pick<UnsignedRegistration, 'deadline'>, now: number): boolean =>
  deadline * 1_000 <= now

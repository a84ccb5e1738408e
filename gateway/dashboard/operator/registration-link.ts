// The link that `souk-node register --browser` prints: everything but the wallet's signature, behind the `#`, which no server ever sees.
import { fromBase64url } from '../../../protocol/canonical.ts'
import { RegisterNodeRequest } from '../../../protocol/node.ts'
import type { z } from 'zod'

const Unsigned = RegisterNodeRequest.omit({ signature: true })
export type UnsignedRegistration = z.infer<typeof Unsigned>

/** A registration that cannot go on, in words for whoever reads the page. */
export class RegistrationRefused extends Error {
  override readonly name = 'RegistrationRefused'
}

/** @param hash what stands behind the `#` @throws RegistrationRefused */
export function readLink(hash: string): UnsignedRegistration {
  let said: unknown
  try {
    said = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(fromBase64url(hash)))
  } catch {
    throw new RegistrationRefused('This link is damaged. Copy the whole of it from your terminal again.')
  }
  const read = Unsigned.safeParse(said)
  if (!read.success)
    throw new RegistrationRefused('This link is not complete. Copy the whole of it from your terminal again.')
  return read.data
}

/** @throws RegistrationRefused */
export function requireTime({ deadline }: Pick<UnsignedRegistration, 'deadline'>): void {
  if (deadline * 1_000 <= Date.now())
    throw new RegistrationRefused(
      'This link has expired. Run souk-node register --browser again. (If it was made just now, a clock is wrong: this computer’s or the node’s.)',
    )
}

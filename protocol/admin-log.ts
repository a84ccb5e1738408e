// The chain of what admins did, and how anybody checks it: each entry holds the hash of the one before, and the gateway signs each. A changed, removed or
// inserted entry shows; that the newest ones are missing shows only to who kept a later `seq` and `hash`. An act is entered before it is done, and what came
// of it in an entry of its own (admin-acts.ts).
import { z } from 'zod'
import { jcs, sha256Hex } from './canonical.ts'
import { importPublicKey } from './keys.ts'
import type { AdminLogEntry } from './parameters.ts'
import { verifyClaims } from './ticket.ts'

/** `typ` of the signatures */
export const ADMIN_LOG_TYP = 'souk-admin-log'
/** before the first entry */
export const ADMIN_LOG_START = '0'.repeat(64)

/** what a signature says */
export const AdminLogClaims = z.object({ seq: z.number().int(), hash: z.string() })

type Hashed = Omit<AdminLogEntry, 'hash' | 'signature'>

/** sha256 hex of `prevHash` followed by JCS of the entry without it. */
export function adminLogHash(entry: Hashed): string {
  const { seq, at, by, accountId, action, target, body, status, requestId } = entry
  return sha256Hex(entry.prevHash, jcs({ seq, at, by, accountId, action, target, body, status, requestId }))
}

export type AdminLogVerdict =
  | { readonly ok: true; readonly entries: number }
  | { readonly ok: false; readonly seq: number; readonly what: 'gap' | 'chain' | 'hash' | 'signature' }

/**
 * Checks entries that follow one another, oldest first.
 * @param prevHash of the entry before the first one given; ADMIN_LOG_START where the first has seq 1; null: not known, and not compared
 * @param keys of /.well-known/jwks.json, also those of before a rotation
 * @example await verifyAdminLog([...page.data].reverse(), null, jwks.keys) // { ok: true, entries: 100 }
 */
export async function verifyAdminLog(
  entries: readonly AdminLogEntry[],
  prevHash: string | null,
  keys: readonly { readonly kid: string; readonly x: string }[],
): Promise<AdminLogVerdict> {
  const resolveKey = async (kid: string) => {
    const key = keys.find((one) => one.kid === kid)
    return key ? importPublicKey(key.x) : null
  }
  let [before, seq] = [prevHash, entries[0]?.seq ?? 1]
  if (before === ADMIN_LOG_START && seq !== 1) return { ok: false, seq, what: 'gap' }
  for (const entry of entries) {
    if (entry.seq !== seq) return { ok: false, seq, what: 'gap' }
    if (before !== null && entry.prevHash !== before) return { ok: false, seq, what: 'chain' }
    if (adminLogHash(entry) !== entry.hash) return { ok: false, seq, what: 'hash' }
    const signed = await verifyClaims(entry.signature, ADMIN_LOG_TYP, AdminLogClaims, resolveKey)
    if (!signed.ok || signed.value.seq !== seq || signed.value.hash !== entry.hash)
      return { ok: false, seq, what: 'signature' }
    before = entry.hash
    seq += 1
  }
  return { ok: true, entries: entries.length }
}

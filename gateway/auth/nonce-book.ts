// Nonces in the registry: asked for by anybody, used once. Burning is one conditional DELETE, so of any number of replays at the
// same moment one wins. Expired rows are swept by whoever asks next, a bounded number at a time.
import { and, eq, gt, inArray, lte } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { nonces } from '../../db/sign-in-schema.ts'
import type { Instant } from '../../protocol/units.ts'

/** rows deleted behind one new nonce: more than come in, so the table stays as small as ten minutes of sign-ins */
const SWEEP_ROWS = 20

export interface NewNonce {
  readonly nonce: string
  /** sha256 hex of the cookie of the browser that asked */
  readonly presessionHash: string
  readonly expiresAt: Instant
}

export async function keepNonce(db: DrizzleD1Database, nonce: NewNonce, now: Instant): Promise<void> {
  const expired = db.select({ nonce: nonces.nonce }).from(nonces).where(lte(nonces.expiresAt, now)).limit(SWEEP_ROWS)
  await db.batch([db.delete(nonces).where(inArray(nonces.nonce, expired)), db.insert(nonces).values(nonce)])
}

/** Whether it was given, and is neither used nor expired. */
export async function isNonceAlive(db: DrizzleD1Database, nonce: string, now: Instant): Promise<boolean> {
  const isIt = and(eq(nonces.nonce, nonce), gt(nonces.expiresAt, now))
  return (await db.select({ nonce: nonces.nonce }).from(nonces).where(isIt)).length > 0
}

/** Uses the nonce up. Null when it was never given, is used or has expired; else who asked for it. */
export async function burnNonce(
  db: DrizzleD1Database,
  nonce: string,
  now: Instant,
): Promise<{ readonly presessionHash: string | null } | null> {
  const [burned] = await db
    .delete(nonces)
    .where(and(eq(nonces.nonce, nonce), gt(nonces.expiresAt, now)))
    .returning({ presessionHash: nonces.presessionHash })
  return burned ?? null
}

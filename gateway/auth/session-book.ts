// Sessions in the registry. Only the SHA-256 of a token is ever written, so a copy of the database signs nobody in. A session lives
// twelve hours, ends at once when it is revoked, and is read together with what its account owns, in one round trip.
import { and, eq, gt, inArray, isNull, lte } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { sessions } from '../../db/schema.ts'
import { base64url, sha256Hex } from '../../protocol/canonical.ts'
import { instant, isAccountId, type AccountId, type Instant, type RandomBytes } from '../../protocol/units.ts'
import { assert } from '../core/errors.ts'
import { SIGN_IN } from '../core/limits.ts'
import type { Standing } from './roles.ts'
import { standingOf, standingQueries } from './standing-book.ts'

/** rows deleted behind one new session */
const SWEEP_ROWS = 20

export interface Session {
  readonly accountId: AccountId
  readonly address: string
  readonly signedInAt: Instant
}

/** 256 random bits as base64url: 43 characters. */
export const newToken = (random: RandomBytes): string => base64url(random(32))

export async function startSession(
  db: DrizzleD1Database,
  token: string,
  session: Session,
): Promise<{ readonly expiresAt: Instant }> {
  const { accountId, address, signedInAt } = session
  const expiresAt = instant(signedInAt + SIGN_IN.sessionMs)
  const expired = db
    .select({ tokenHash: sessions.tokenHash })
    .from(sessions)
    .where(lte(sessions.expiresAt, signedInAt))
    .limit(SWEEP_ROWS)
  await db.batch([
    db.delete(sessions).where(inArray(sessions.tokenHash, expired)),
    db.insert(sessions).values({ tokenHash: sha256Hex(token), accountId, address, createdAt: signedInAt, expiresAt }),
  ])
  return { expiresAt }
}

/** Null when there is no such session, or it has expired or was revoked. */
export async function findSession(
  db: DrizzleD1Database,
  token: string,
  now: Instant,
): Promise<{ readonly session: Session; readonly standing: Standing } | null> {
  const isValid = and(eq(sessions.tokenHash, sha256Hex(token)), gt(sessions.expiresAt, now), isNull(sessions.revokedAt))
  const whose = db.select({ accountId: sessions.accountId }).from(sessions).where(isValid)
  const [[row], ...owned] = await db.batch([db.select().from(sessions).where(isValid), ...standingQueries(db, whose)])
  if (!row) return null
  const { accountId, address, createdAt } = row
  assert(isAccountId(accountId), 'a session belongs to an account')
  return { session: { accountId, address, signedInAt: instant(createdAt) }, standing: standingOf(owned) }
}

/** Every session of the account, whoever has it. @returns how many were good */
export async function revokeSessions(db: DrizzleD1Database, accountId: AccountId, now: Instant): Promise<number> {
  const isOpen = and(eq(sessions.accountId, accountId), isNull(sessions.revokedAt), gt(sessions.expiresAt, now))
  const { meta } = await db.update(sessions).set({ revokedAt: now }).where(isOpen).run()
  return meta.changes
}

export async function revokeSession(db: DrizzleD1Database, token: string, now: Instant): Promise<void> {
  const isOpen = and(eq(sessions.tokenHash, sha256Hex(token)), isNull(sessions.revokedAt))
  await db.update(sessions).set({ revokedAt: now }).where(isOpen)
}

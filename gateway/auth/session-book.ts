// Sessions in the registry. Only the SHA-256 of a token is ever written, so a copy of the database signs nobody in. A session lives
// twelve hours, ends at once when it is revoked, and is read together with what its account owns, in one round trip.
import { and, desc, eq, gt, gte, inArray, isNull, lt, lte } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { sessions } from '../../db/sign-in-schema.ts'
import type { MemberRole } from '../../protocol/auth.ts'
import { base64url, sha256Hex } from '../../protocol/canonical.ts'
import { instant, isAccountId, type AccountId, type Instant, type RandomBytes } from '../../protocol/units.ts'
import { assert } from '../core/errors.ts'
import { MEMBERS, SIGN_IN } from '../core/limits.ts'
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
): Promise<{ readonly session: Session & { readonly member: MemberRole }; readonly standing: Standing } | null> {
  const isValid = and(eq(sessions.tokenHash, sha256Hex(token)), gt(sessions.expiresAt, now), isNull(sessions.revokedAt))
  const whose = db.select({ accountId: sessions.accountId }).from(sessions).where(isValid)
  const [[row], ...owned] = await db.batch([db.select().from(sessions).where(isValid), ...standingQueries(db, whose)])
  if (!row) return null
  const { accountId, address, createdAt } = row
  assert(isAccountId(accountId), 'a session belongs to an account')
  const standing = standingOf(owned)
  // What its wallet is now, is what the session may now; one whose wallet has left is none.
  const member = standing.wallets.find((wallet) => wallet.address === address)?.role
  if (!member) return null
  return { session: { accountId, address, member, signedInAt: instant(createdAt) }, standing }
}

export interface OpenSession {
  readonly id: string
  readonly address: string
  readonly signedInAt: number
  readonly expiresAt: number
}

/** Enough of a token's hash to name its session. The hash of 256 random bits tells nothing of them, and a part of it opens nothing. */
export const sessionIdOf = (token: Uint8Array): string => idOf(sha256Hex(token))
const SESSION_ID = /^[0-9a-f]{24}$/
const idOf = (tokenHash: string): string => tokenHash.slice(0, 24)

/** The newest ones that are good. @param address of one member; null: of all */
export async function listSessions(
  db: DrizzleD1Database,
  accountId: AccountId,
  address: string | null,
  now: Instant,
): Promise<OpenSession[]> {
  const rows = await db
    .select()
    .from(sessions)
    .where(isOpenOf(accountId, address, now))
    .orderBy(desc(sessions.createdAt), sessions.tokenHash)
    .limit(MEMBERS.sessionRows)
  return rows.map((row) => ({
    id: idOf(row.tokenHash),
    address: row.address,
    signedInAt: row.createdAt,
    expiresAt: row.expiresAt,
  }))
}

/** False: there is none of this id. @param address of whom it must be; null: of anybody in the account */
export async function revokeSessionById(
  db: DrizzleD1Database,
  { accountId, address, id, now }: { accountId: AccountId; address: string | null; id: string; now: Instant },
): Promise<boolean> {
  if (!SESSION_ID.test(id)) return false
  const { tokenHash } = sessions
  // Behind every digit comes `g`: a range of the primary key.
  const isIt = and(isOpenOf(accountId, address, now), gte(tokenHash, id), lt(tokenHash, `${id}g`))
  const { meta } = await db.update(sessions).set({ revokedAt: now }).where(isIt).run()
  return meta.changes > 0
}

const isOpenOf = (accountId: AccountId, address: string | null, now: Instant) =>
  and(
    eq(sessions.accountId, accountId),
    ...(address === null ? [] : [eq(sessions.address, address)]),
    isNull(sessions.revokedAt),
    gt(sessions.expiresAt, now),
  )

/** Every session of the account, whoever has it. @returns how many were good */
export async function revokeSessions(db: DrizzleD1Database, accountId: AccountId, now: Instant): Promise<number> {
  const { meta } = await db
    .update(sessions)
    .set({ revokedAt: now })
    .where(isOpenOf(accountId, null, now))
    .run()
  return meta.changes
}

/**
 * Ends the session that another one of the same wallet has taken the place of; anybody else's stays what it was. Idempotent.
 * @param token of the one that ends
 * @param heir of whom it must be; it stands already
 */
export async function replaceSession(
  db: DrizzleD1Database,
  token: string,
  { accountId, address, signedInAt }: Session,
): Promise<void> {
  const isIt = and(isOpenOf(accountId, address, signedInAt), eq(sessions.tokenHash, sha256Hex(token)))
  await db.update(sessions).set({ revokedAt: signedInAt }).where(isIt)
}

export async function revokeSession(db: DrizzleD1Database, token: string, now: Instant): Promise<void> {
  const isOpen = and(eq(sessions.tokenHash, sha256Hex(token)), isNull(sessions.revokedAt))
  await db.update(sessions).set({ revokedAt: now }).where(isOpen)
}

// Invitations in the registry: only the SHA-256 of a code is written. Joining is one batch in which the invitation is used up by the very wallet that
// it made a member, so of two who join by one code at once one does.
import { and, count, desc, eq, exists, gt, lte, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { events } from '../../db/money-schema.ts'
import { accounts, wallets } from '../../db/schema.ts'
import { invitations, memberChanges } from '../../db/sign-in-schema.ts'
import { MemberRole } from '../../protocol/auth.ts'
import type { Result } from '../../protocol/errors.ts'
import { isAccountId, type AccountId, type Instant } from '../../protocol/units.ts'
import type { EventKind } from '../../protocol/webhook.ts'
import { LIMITS, MEMBERS } from '../core/limits.ts'

export interface Invitation {
  readonly id: string
  readonly role: MemberRole
  readonly note: string
  readonly createdAt: number
  readonly expiresAt: number
}

export interface NewInvitation extends Invitation {
  readonly accountId: AccountId
  /** sha256 hex */
  readonly codeHash: string
  readonly createdBy: string
}

/** False: as many wait as may. */
export async function addInvitation(db: DrizzleD1Database, made: NewInvitation): Promise<boolean> {
  const { id, codeHash, accountId, role, note, createdBy, createdAt, expiresAt } = made
  const isOurs = eq(invitations.accountId, accountId)
  const waiting = db.select({ n: count() }).from(invitations).where(isOurs)
  const row = sql`select ${id}, ${codeHash}, ${accountId}, ${role}, ${note}, ${createdBy}, ${createdAt}, ${expiresAt} where (${waiting}) < ${MEMBERS.invitationsMax}`
  const [, written] = await db.batch([
    db.delete(invitations).where(and(isOurs, lte(invitations.expiresAt, createdAt))),
    db.insert(invitations).select(row).returning({ id: invitations.id }),
  ])
  return written.length > 0
}

export async function listInvitations(
  db: DrizzleD1Database,
  accountId: AccountId,
  now: Instant,
): Promise<Invitation[]> {
  const { id, role, note, createdAt, expiresAt } = invitations
  const rows = await db
    .select({ id, role, note, createdAt, expiresAt })
    .from(invitations)
    .where(and(eq(invitations.accountId, accountId), gt(expiresAt, now)))
    .orderBy(desc(createdAt), id)
  return rows.map((row) => ({ ...row, role: MemberRole.parse(row.role) }))
}

/** Null when it is not there. */
export async function findInvitation(
  db: DrizzleD1Database,
  accountId: AccountId,
  id: string,
): Promise<MemberRole | null> {
  const isIt = and(eq(invitations.accountId, accountId), eq(invitations.id, id))
  const [row] = await db.select({ role: invitations.role }).from(invitations).where(isIt)
  return row ? MemberRole.parse(row.role) : null
}

export async function dropInvitation(db: DrizzleD1Database, accountId: AccountId, id: string): Promise<void> {
  await db.delete(invitations).where(and(eq(invitations.accountId, accountId), eq(invitations.id, id)))
}

export interface Joining {
  /** EIP-55 */
  readonly address: string
  /** EIP-155; null: a key pair */
  readonly chainId: number | null
  /** sha256 hex */
  readonly codeHash: string
  readonly now: Instant
}

export interface Joined {
  readonly accountId: AccountId
  /** index of its book */
  readonly book: number
}

/** Who is invited as an owner is an admin first, and waits as every owner does. */
export async function joinByInvitation(
  db: DrizzleD1Database,
  { address, chainId, codeHash, now }: Joining,
): Promise<Result<Joined, 'not_found' | 'wallet_taken' | 'conflict'>> {
  const { accountId, role, createdBy } = invitations
  const isGood = and(eq(invitations.codeHash, codeHash), gt(invitations.expiresAt, now))
  const owned = db.select({ n: count() }).from(wallets).where(eq(wallets.accountId, accountId))
  const hasJoined = exists(
    db
      .select({ one: sql`1` })
      .from(wallets)
      .where(and(eq(wallets.address, address), eq(wallets.accountId, accountId), eq(wallets.addedAt, now))),
  )
  const from = sql`from ${invitations} where ${isGood}`
  const first = sql`case ${role} when 'owner' then 'admin' else ${role} end`
  const effectiveAt = now + MEMBERS.ownerDelayMs
  const data = sql`json_object('state', 'joined', 'address', ${address}, 'role', ${role}, 'by', ${createdBy}, 'effectiveAt', ${new Date(now).toISOString()})`
  const eventId = sql`${accountId} || ${`:member:${address}:joined:${now}`}`
  const kind: EventKind = 'member.changing'
  const [, , , , used] = await db.batch([
    db
      .insert(wallets)
      .select(
        sql`select ${address}, ${accountId}, ${first}, ${chainId}, ${now} ${from} and (${owned}) < ${LIMITS.walletsPerAccount}`,
      )
      .onConflictDoNothing(),
    db
      .insert(memberChanges)
      .select(
        sql`select ${address}, ${accountId}, ${role}, ${createdBy}, ${now}, ${effectiveAt} ${from} and ${role} = 'owner' and ${hasJoined}`,
      )
      .onConflictDoNothing(),
    db
      .insert(events)
      .select(sql`select ${eventId}, ${accountId}, ${kind}, ${data}, ${now}, null ${from} and ${hasJoined}`)
      .onConflictDoNothing(),
    db
      .update(accounts)
      .set({ membersVersion: sql`${accounts.membersVersion} + 1` })
      .where(sql`${accounts.id} = (select ${accountId} ${from} and ${hasJoined})`),
    db.delete(invitations).where(and(isGood, hasJoined)).returning({ accountId }),
  ])
  const joined = used[0]?.accountId
  if (joined === undefined || !isAccountId(joined)) return { ok: false, code: await whyNot(db, address, isGood) }
  const [account] = await db.select({ book: accounts.book }).from(accounts).where(eq(accounts.id, joined))
  return { ok: true, value: { accountId: joined, book: account?.book ?? 0 } }
}

async function whyNot(db: DrizzleD1Database, address: string, isGood: ReturnType<typeof and>) {
  const [found, wallet] = await db.batch([
    db.select({ id: invitations.id }).from(invitations).where(isGood),
    db.select({ address: wallets.address }).from(wallets).where(eq(wallets.address, address)),
  ])
  if (found.length === 0) return 'not_found'
  return wallet.length > 0 ? 'wallet_taken' : 'conflict'
}

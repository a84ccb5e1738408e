// Members in the registry. Every change is one batch that holds only if nobody changed the members since they were read: each statement asks for the
// version, and the last one counts it up, so that of two at once the later is told. What makes or unmakes an owner is a row that waits; carrying it
// out is a change like any other. Each is told to the account's owners by an event of the same batch.
import { and, eq, exists, isNull, lte, sql } from 'drizzle-orm'
import type { BatchItem } from 'drizzle-orm/batch'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { events } from '../../db/money-schema.ts'
import { accounts, wallets } from '../../db/schema.ts'
import { invitations, memberChanges, sessions } from '../../db/sign-in-schema.ts'
import { MemberRole } from '../../protocol/auth.ts'
import { instant, isAccountId, type AccountId, type Instant } from '../../protocol/units.ts'
import type { EventKind } from '../../protocol/webhook.ts'
import { assert } from '../core/errors.ts'
import { MEMBERS } from '../core/limits.ts'
import type { Member } from './roles.ts'
import { memberOf } from './standing-book.ts'

/** A change that waits. */
export interface PendingChange {
  readonly address: string
  /** null: removes */
  readonly role: MemberRole | null
  readonly requestedBy: string
  readonly requestedAt: Instant
  readonly effectiveAt: Instant
}

export interface Members {
  readonly version: number
  readonly members: readonly Member[]
  readonly pending: readonly PendingChange[]
}

/** One change of one member, at the version it was judged by. */
export interface MemberUpdate {
  readonly accountId: AccountId
  readonly version: number
  readonly address: string
  /** null: removes */
  readonly role: MemberRole | null
  /** wallet that asked for it */
  readonly by: string
  readonly now: Instant
}

export async function readMembers(db: DrizzleD1Database, accountId: AccountId): Promise<Members> {
  const { address, chainId, role, addedAt } = wallets
  const [[account], rows, waiting] = await db.batch([
    db.select({ version: accounts.membersVersion }).from(accounts).where(eq(accounts.id, accountId)),
    db
      .select({ address, chainId, role, addedAt })
      .from(wallets)
      .where(eq(wallets.accountId, accountId))
      .orderBy(addedAt, address),
    db.select().from(memberChanges).where(eq(memberChanges.accountId, accountId)),
  ])
  assert(account, 'a session belongs to an account')
  return { version: account.version, members: rows.map(memberOf), pending: waiting.map(pendingOf) }
}

/** Carries a change out. A wallet that is removed loses its sessions, and one whose role changes the invitations it gave. False: changed meanwhile. */
export function changeMember(db: DrizzleD1Database, update: MemberUpdate): Promise<boolean> {
  const { accountId, address, role, now } = update
  const isCurrent = currentOf(db, update)
  const isIt = and(eq(wallets.accountId, accountId), eq(wallets.address, address), isCurrent)
  const isOpen = and(eq(sessions.accountId, accountId), eq(sessions.address, address), isNull(sessions.revokedAt))
  const given = and(eq(invitations.accountId, accountId), eq(invitations.createdBy, address), isCurrent)
  return commit(db, update, [
    role === null ? db.delete(wallets).where(isIt) : db.update(wallets).set({ role }).where(isIt),
    ...(role === null ? [db.update(sessions).set({ revokedAt: now }).where(and(isOpen, isCurrent))] : []),
    db.delete(memberChanges).where(and(eq(memberChanges.address, address), isCurrent)),
    db.delete(invitations).where(given),
    tell(db, update, role === null ? 'removed' : 'changed', now),
  ])
}

/** Lets a change wait, in the place of one that waits for the same wallet. False: changed meanwhile. */
export function askChange(db: DrizzleD1Database, update: MemberUpdate): Promise<boolean> {
  const { accountId, address, role, by, now } = update
  const isCurrent = currentOf(db, update)
  const effectiveAt = instant(now + MEMBERS.ownerDelayMs)
  const row = sql`select ${address}, ${accountId}, ${role}, ${by}, ${now}, ${effectiveAt} where ${isCurrent}`
  return commit(db, update, [
    db.delete(memberChanges).where(and(eq(memberChanges.address, address), isCurrent)),
    db.insert(memberChanges).select(row),
    tell(db, update, 'requested', effectiveAt),
  ])
}

/** Takes back what waits for `address`; `role` is what it would have made of it. False: changed meanwhile. */
export function dropChange(
  db: DrizzleD1Database,
  update: MemberUpdate,
  why: 'cancelled' | 'refused' = 'cancelled',
): Promise<boolean> {
  const isIt = and(eq(memberChanges.address, update.address), eq(memberChanges.accountId, update.accountId))
  return commit(db, update, [
    db.delete(memberChanges).where(and(isIt, currentOf(db, update))),
    tell(db, update, why, update.now),
  ])
}

/** Accounts with a change whose time has come. */
export async function accountsWithDue(db: DrizzleD1Database, now: Instant): Promise<AccountId[]> {
  const rows = await db
    .selectDistinct({ accountId: memberChanges.accountId })
    .from(memberChanges)
    .where(lte(memberChanges.effectiveAt, now))
    .limit(MEMBERS.dueRows)
  return rows.map(({ accountId }) => accountId).filter(isAccountId)
}

/** The statements, then the version counted up: nothing happens unless it still is what it was. */
async function commit(
  db: DrizzleD1Database,
  { accountId, version }: MemberUpdate,
  statements: BatchItem<'sqlite'>[],
): Promise<boolean> {
  const bump = db
    .update(accounts)
    .set({ membersVersion: version + 1 })
    .where(and(eq(accounts.id, accountId), eq(accounts.membersVersion, version)))
    .returning({ id: accounts.id })
  // The version comes last: before it is counted up, every other statement of the batch still finds the one it asks for.
  const [bumped] = await db.batch([
    db.select({ id: accounts.id }).from(accounts).where(currentOf(db, { accountId, version })).limit(1),
    ...statements,
    bump,
  ])
  return bumped.length > 0
}

const currentOf = (db: DrizzleD1Database, { accountId, version }: Pick<MemberUpdate, 'accountId' | 'version'>) =>
  exists(
    db
      .select({ one: sql`1` })
      .from(accounts)
      .where(and(eq(accounts.id, accountId), eq(accounts.membersVersion, version))),
  )

const KIND: EventKind = 'member.changing'

function tell(db: DrizzleD1Database, update: MemberUpdate, state: string, effectiveAt: Instant) {
  const { accountId, address, role, by, now } = update
  const data = JSON.stringify({ state, address, role, by, effectiveAt: new Date(effectiveAt).toISOString() })
  const id = `${accountId}:member:${address}:${update.version}:${state}`
  // In the order of the table's columns.
  const row = sql`select ${id}, ${accountId}, ${KIND}, ${data}, ${now}, null where ${currentOf(db, update)}`
  return db.insert(events).select(row).onConflictDoNothing()
}

const pendingOf = (row: typeof memberChanges.$inferSelect): PendingChange => ({
  address: row.address,
  role: row.role === null ? null : MemberRole.parse(row.role),
  requestedBy: row.requestedBy,
  requestedAt: instant(row.requestedAt),
  effectiveAt: instant(row.effectiveAt),
})

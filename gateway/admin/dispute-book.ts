// Disputes in the registry. Every change names the version it was decided on in its condition, so that of two at once one is told.
import { and, count, desc, eq, gte, isNull, sql } from 'drizzle-orm'
import { drizzle, type DrizzleD1Database } from 'drizzle-orm/d1'
import { z } from 'zod'
import { disputes } from '../../db/admin-schema.ts'
import { events } from '../../db/money-schema.ts'
import { InstantNumber } from '../../protocol/fields.ts'
import type { DisputeState } from '../../protocol/disputes.ts'
import { toSqlInteger, type AccountId, type Instant, type Nanos } from '../../protocol/units.ts'
import type { EventKind } from '../../protocol/webhook.ts'
import { olderThan } from '../core/keyset.ts'
import type { TimedCursor } from './pages.ts'

export type DisputeRow = typeof disputes.$inferSelect

/** A refund that was decided, until it has moved: whoever was cut off between both goes on with exactly this. */
export const Refunding = z.object({
  /** decimal dollars; null: all of it */
  usd: z.string().nullable(),
  from: z.enum(['house', 'earners']),
  answer: z.string(),
  /** address, and AccountId */
  by: z.string(),
  byAccount: z.string(),
  at: InstantNumber,
})
export type Refunding = z.infer<typeof Refunding>

export type DisputeBook = ReturnType<typeof createDisputeBook>

const DAY_MS = 86_400_000
const REJECTED: EventKind = 'dispute.rejected'

export function createDisputeBook(registry: D1Database) {
  const db = drizzle(registry)
  const isIt = (id: string, version: number) =>
    and(eq(disputes.id, id), eq(disputes.version, version), eq(disputes.state, 'open'))
  const next = { version: sql`${disputes.version} + 1` }
  return {
    /** @returns false when this call has one */
    async add(row: Omit<DisputeRow, 'refunding' | 'answer' | 'decidedBy' | 'decidedAt' | 'version' | 'refundedNanos'>) {
      const added = await db.insert(disputes).values(row).onConflictDoNothing().returning({ id: disputes.id })
      return added.length > 0
    },

    async find(id: string): Promise<DisputeRow | null> {
      return (await db.select().from(disputes).where(eq(disputes.id, id)).get()) ?? null
    },

    async madeSince(accountId: AccountId, now: Instant): Promise<number> {
      const lately = and(eq(disputes.accountId, accountId), gte(disputes.createdAt, now - DAY_MS))
      return (await db.select({ n: count() }).from(disputes).where(lately).get())?.n ?? 0
    },

    page: (of: PageOf, after: TimedCursor | null, rows: number) => pageOf(db, of, after, rows),

    /** Takes one back that nobody is refunding. @returns false when it was changed meanwhile */
    async withdraw(id: string, version: number, at: Instant): Promise<boolean> {
      const done = await db
        .update(disputes)
        .set({ state: 'withdrawn', ...next, decidedAt: at })
        .where(and(isIt(id, version), isNull(disputes.refunding)))
        .returning({ id: disputes.id })
      return done.length > 0
    },

    /** Refuses one that nobody is refunding, and tells its payer in the same batch. @returns false when it was changed meanwhile */
    async reject(dispute: DisputeRow, version: number, said: Rejection): Promise<boolean> {
      const { answer, by, at } = said
      const [done] = await db.batch([
        db
          .update(disputes)
          .set({ state: 'rejected', answer, decidedBy: by, decidedAt: at, ...next })
          .where(and(isIt(dispute.id, version), isNull(disputes.refunding)))
          .returning({ id: disputes.id }),
        tellOfRejection(db, dispute, said),
      ])
      return done.length > 0
    },

    /** From here on nobody else decides it. @returns false when it was changed meanwhile */
    async beginRefund(id: string, version: number, refunding: Refunding): Promise<boolean> {
      const begun = await db
        .update(disputes)
        .set({ refunding: JSON.stringify(refunding), ...next })
        .where(and(isIt(id, version), isNull(disputes.refunding)))
        .returning({ id: disputes.id })
      return begun.length > 0
    },

    /** Nothing moved: it can be decided anew. */
    async dropRefund(id: string): Promise<void> {
      const begun = and(eq(disputes.id, id), eq(disputes.state, 'open'))
      await db
        .update(disputes)
        .set({ refunding: null, ...next })
        .where(begun)
    },

    /** The money has moved. Harmless when it is written already. */
    async refunded(id: string, moved: Nanos, { answer, by, at }: Refunding): Promise<void> {
      await db
        .update(disputes)
        .set({
          state: 'refunded',
          refundedNanos: toSqlInteger(moved),
          refunding: null,
          answer,
          decidedBy: by,
          decidedAt: at,
          ...next,
        })
        .where(and(eq(disputes.id, id), eq(disputes.state, 'open')))
    },
  }
}

interface Rejection {
  /** for the payer */
  readonly answer: string
  /** address of the admin */
  readonly by: string
  readonly at: Instant
}

/** Behind the statement that rejects: only where that was done. Told again it is the same event. */
function tellOfRejection(db: DrizzleD1Database, { id, accountId, callId }: DisputeRow, { answer, at }: Rejection) {
  const data = JSON.stringify({ disputeId: id, callId, answer })
  const isDone = sql`EXISTS (SELECT 1 FROM ${disputes} WHERE ${disputes.id} = ${id} AND ${disputes.state} = 'rejected')`
  // In the order of the table's columns.
  const event = sql`SELECT ${`${accountId}:dispute:${id}`}, ${accountId}, ${REJECTED}, ${data}, ${at}, NULL WHERE ${isDone}`
  return db.insert(events).select(event).onConflictDoNothing()
}

interface PageOf {
  readonly accountId?: AccountId
  readonly callId?: string | undefined
  readonly state?: DisputeState | undefined
}

/** Newest first. */
function pageOf(db: DrizzleD1Database, of: PageOf, after: TimedCursor | null, rows: number): Promise<DisputeRow[]> {
  return db
    .select()
    .from(disputes)
    .where(
      and(
        of.accountId && eq(disputes.accountId, of.accountId),
        of.callId === undefined ? undefined : eq(disputes.callId, of.callId),
        of.state && eq(disputes.state, of.state),
        olderThan(disputes.createdAt, disputes.id, after),
      ),
    )
    .orderBy(desc(disputes.createdAt), desc(disputes.id))
    .limit(rows)
}

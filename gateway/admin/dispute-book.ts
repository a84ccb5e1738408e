// Disputes in the registry. Every change names the version it was decided on in its condition, so that of two at once one is told.
import { and, count, desc, eq, gte, isNull, sql } from 'drizzle-orm'
import { drizzle, type DrizzleD1Database } from 'drizzle-orm/d1'
import { z } from 'zod'
import { disputes } from '../../db/admin-schema.ts'
import { InstantNumber } from '../../protocol/fields.ts'
import type { DisputeState } from '../../protocol/disputes.ts'
import { toSqlInteger, type AccountId, type Instant, type Nanos } from '../../protocol/units.ts'
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

    /** Ends one that nobody is refunding. @returns false when it was changed meanwhile */
    async end(
      id: string,
      version: number,
      ended: { state: 'rejected' | 'withdrawn'; answer: string | null; decidedBy: string | null; at: Instant },
    ): Promise<boolean> {
      const { at, ...said } = ended
      const done = await db
        .update(disputes)
        .set({ ...said, ...next, decidedAt: at })
        .where(and(isIt(id, version), isNull(disputes.refunding)))
        .returning({ id: disputes.id })
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

// Reports in the registry, and whether what they are about is there. The day's limit stands in the statement that writes one: of many at once no more get in.
import { and, count, desc, eq, gte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { reports } from '../../db/admin-schema.ts'
import { models, nodes } from '../../db/schema.ts'
import type { Instant } from '../../protocol/units.ts'
import { olderThan } from '../core/keyset.ts'
import { COMPLAINTS } from '../core/limits.ts'
import type { TimedCursor } from './pages.ts'

export type ReportRow = typeof reports.$inferSelect

const DAY_MS = 86_400_000

export function createReportBook(registry: D1Database) {
  const db = drizzle(registry)
  return {
    async isThere(about: 'model' | 'node', id: string): Promise<boolean> {
      const table = about === 'model' ? models : nodes
      return (await db.select({ id: table.id }).from(table).where(eq(table.id, id)).get()) !== undefined
    },

    /** @returns false when its reporter has said enough for a day */
    async add(row: Pick<ReportRow, 'id' | 'about' | 'subject' | 'kind' | 'words' | 'reporter' | 'createdAt'>) {
      const { id, about, subject, kind, words, reporter, createdAt } = row
      const lately = db
        .select({ n: count() })
        .from(reports)
        .where(and(eq(reports.reporter, reporter), gte(reports.createdAt, createdAt - DAY_MS)))
      const added = await db
        .insert(reports)
        .select(
          sql`SELECT ${id}, ${about}, ${subject}, ${kind}, ${words}, ${reporter}, 'open', NULL, NULL, ${createdAt}, NULL, 1 WHERE (${lately}) < ${COMPLAINTS.reportsPerDay}`,
        )
        .returning({ id: reports.id })
      return added.length > 0
    },

    async find(id: string): Promise<ReportRow | null> {
      return (await db.select().from(reports).where(eq(reports.id, id)).get()) ?? null
    },

    /** Newest first. */
    page(state: string | undefined, after: TimedCursor | null, rows: number): Promise<ReportRow[]> {
      return db
        .select()
        .from(reports)
        .where(
          and(
            state === undefined ? undefined : eq(reports.state, state),
            olderThan(reports.createdAt, reports.id, after),
          ),
        )
        .orderBy(desc(reports.createdAt), desc(reports.id))
        .limit(rows)
    },

    /** @returns false when it was decided meanwhile */
    async decide(
      id: string,
      version: number,
      { state, answer, by, at }: { state: 'acted' | 'dismissed'; answer: string; by: string; at: Instant },
    ): Promise<boolean> {
      const done = await db
        .update(reports)
        .set({ state, answer, decidedBy: by, decidedAt: at, version: sql`${reports.version} + 1` })
        .where(and(eq(reports.id, id), eq(reports.version, version), eq(reports.state, 'open')))
        .returning({ id: reports.id })
      return done.length > 0
    },
  }
}

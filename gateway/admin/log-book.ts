// The chain of what admins did, in the registry. Its number is its key, so that of two entries at the same moment one is written and the other is made anew
// behind it: the chain cannot fork.
import { and, asc, desc, gt, lt, lte } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { z } from 'zod'
import { adminLog } from '../../db/admin-schema.ts'
import type { AdminLogEntry } from '../../protocol/parameters.ts'

const Target = z.record(z.string(), z.string())

export type LogBook = ReturnType<typeof createLogBook>

export function createLogBook(registry: D1Database) {
  const db = drizzle(registry)
  return {
    /** Null: nothing was written yet. */
    async head(): Promise<{ readonly seq: number; readonly hash: string } | null> {
      const [row] = await db
        .select({ seq: adminLog.seq, hash: adminLog.hash })
        .from(adminLog)
        .orderBy(desc(adminLog.seq))
        .limit(1)
      return row ?? null
    },

    /** @returns false when another entry has this number */
    async add(entry: AdminLogEntry): Promise<boolean> {
      const row = { ...entry, at: Date.parse(entry.at), target: JSON.stringify(entry.target) }
      const added = await db.insert(adminLog).values(row).onConflictDoNothing().returning({ seq: adminLog.seq })
      return added.length > 0
    },

    /** Newest first, before `before`; null: from the newest. */
    async page(before: number | null, rows: number): Promise<AdminLogEntry[]> {
      const found = await db
        .select()
        .from(adminLog)
        .where(before === null ? undefined : lt(adminLog.seq, before))
        .orderBy(desc(adminLog.seq))
        .limit(rows)
      return found.map(entryOf)
    },

    /** Oldest first, after `after` and up to `upTo`. */
    async after(after: number, upTo: number, rows: number): Promise<AdminLogEntry[]> {
      const found = await db
        .select()
        .from(adminLog)
        .where(and(gt(adminLog.seq, after), lte(adminLog.seq, upTo)))
        .orderBy(asc(adminLog.seq))
        .limit(rows)
      return found.map(entryOf)
    },
  }
}

const entryOf = (row: typeof adminLog.$inferSelect): AdminLogEntry => ({
  ...row,
  at: new Date(row.at).toISOString(),
  target: Target.parse(JSON.parse(row.target)),
})

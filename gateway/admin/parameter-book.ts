// The history of parameters. Of two changes that were based on the same version one is written: the condition stands in the statement, and a version is
// the number of changes and of those taken back.
import { and, count, desc, eq, gt, isNull, lt, lte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { parameterEntries as entries } from '../../db/admin-schema.ts'
import type { ParameterName } from '../../protocol/parameters.ts'
import type { Instant } from '../../protocol/units.ts'

export type ParameterRow = typeof entries.$inferSelect

export interface ParameterStanding {
  /** counts up with every change */
  readonly version: number
  /** that holds now; null: the default does */
  readonly inForce: ParameterRow | null
  readonly pending: ParameterRow | null
}

export type ParameterBook = ReturnType<typeof createParameterBook>

export function createParameterBook(registry: D1Database) {
  const db = drizzle(registry)
  const of = (name: ParameterName) => eq(entries.name, name)
  const version = (name: ParameterName) =>
    db
      .select({ version: sql<number>`${count()} + ${count(entries.withdrawnAt)}` })
      .from(entries)
      .where(of(name))
  const newest = (name: ParameterName, when: ReturnType<typeof lte>) =>
    db
      .select()
      .from(entries)
      .where(and(of(name), isNull(entries.withdrawnAt), when))
      .orderBy(desc(entries.n))
      .limit(1)
  return {
    async standing(name: ParameterName, now: Instant): Promise<ParameterStanding> {
      const [[counted], [inForce], [pending]] = await db.batch([
        version(name),
        newest(name, lte(entries.effectiveAt, now)),
        newest(name, gt(entries.effectiveAt, now)),
      ])
      return { version: counted?.version ?? 0, inForce: inForce ?? null, pending: pending ?? null }
    },

    /** @returns false when `version` is not the present one, or a change waits */
    async add(row: Omit<ParameterRow, 'n' | 'withdrawnAt'> & { name: ParameterName }, base: number): Promise<boolean> {
      const { id, name, value, before, reason, by, at, effectiveAt } = row
      const waits = db
        .select({ one: sql`1` })
        .from(entries)
        .where(and(of(name), isNull(entries.withdrawnAt), gt(entries.effectiveAt, at)))
      const n = db
        .select({ n: sql`coalesce(max(${entries.n}), 0) + 1` })
        .from(entries)
        .where(of(name))
      const added = await db
        .insert(entries)
        .select(
          sql`SELECT ${id}, ${name}, (${n}), ${value}, ${before}, ${reason}, ${by}, ${at}, ${effectiveAt}, NULL WHERE (${version(name)}) = ${base} AND NOT EXISTS ${waits}`,
        )
        .returning({ id: entries.id })
      return added.length > 0
    },

    /** Takes back what waits. @param id this one and no other; absent: whichever does @returns false when nothing does */
    async withdraw(name: ParameterName, now: Instant, id?: string): Promise<boolean> {
      const taken = await db
        .update(entries)
        .set({ withdrawnAt: now })
        .where(
          and(
            of(name),
            isNull(entries.withdrawnAt),
            gt(entries.effectiveAt, now),
            id === undefined ? undefined : eq(entries.id, id),
          ),
        )
        .returning({ id: entries.id })
      return taken.length > 0
    },

    /** Newest first. @param before n of the last row of the page before; null: from the newest */
    history: (name: ParameterName, before: number | null, rows: number): Promise<ParameterRow[]> =>
      db
        .select()
        .from(entries)
        .where(and(of(name), before === null ? undefined : lt(entries.n, before)))
        .orderBy(desc(entries.n))
        .limit(rows),
  }
}

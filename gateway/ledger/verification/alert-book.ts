// Alerts in the registry: what verification found, one row per finding, open until an admin says what came of it. A finding about the past (a
// line, a credit) that was accepted stays accepted; one about the present that is found again is open again.
import { and, desc, eq, inArray, isNull, ne, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { alerts } from '../../../db/money-schema.ts'
import type { AccountId, Instant } from '../../../protocol/units.ts'
import { olderThan, type Place } from '../../core/keyset.ts'
import type { Breach, BreachKind } from './self-check-port.ts'

/** AccountId, or the house as a whole: its findings stop pay-outs. */
export type AlertSubject = AccountId | 'house'

export interface Finding {
  readonly subject: AlertSubject
  readonly breach: Breach
}

export type AlertRow = typeof alerts.$inferSelect

export const alertId = ({ subject, breach }: Finding): string => `${breach.kind}:${subject}:${breach.at}`

/** Lag is not wrong, and what other rooms report is theirs to act upon. */
const FREEZING: readonly BreachKind[] = ['chain', 'balance', 'holds', 'overdue', 'book', 'conservation']

const isOpen = isNull(alerts.resolvedAt)
const freezes = inArray(alerts.kind, [...FREEZING])

export type AlertBook = ReturnType<typeof createAlertBook>

export function createAlertBook(registry: D1Database) {
  const db = drizzle(registry)
  return {
    ...pages(db),
    /** @returns the subjects whose findings are open now; not those whose findings an admin has accepted */
    async raise(findings: readonly Finding[], now: Instant): Promise<Set<AlertSubject>> {
      if (findings.length === 0) return new Set()
      const rows = findings.map((finding) => {
        const { subject, breach } = finding
        return [alertId(finding), breach.kind, subject, breach.detail]
      })
      const [, open] = await registry.batch<{ subject: AlertSubject }>([
        registry.prepare(RAISE).bind(JSON.stringify(rows), now),
        registry
          .prepare(
            `SELECT DISTINCT subject FROM alerts WHERE resolved_at IS NULL AND kind IN (${FREEZING.map((kind) => `'${kind}'`).join(', ')})
             AND id IN (SELECT value ->> 0 FROM json_each(?1))`,
          )
          .bind(JSON.stringify(rows)),
      ])
      return new Set(open?.results.map(({ subject }) => subject))
    },

    /** Lag that is over needs nobody's word. */
    async caughtUp(subjects: readonly AccountId[], now: Instant): Promise<void> {
      if (subjects.length === 0) return
      const among = sql`${alerts.subject} IN (SELECT value FROM json_each(${JSON.stringify(subjects)}))`
      await db
        .update(alerts)
        .set({ resolvedAt: now, resolution: 'caught up' })
        .where(and(eq(alerts.kind, 'lag'), isOpen, among))
    },

    /** Accounts that an open finding keeps frozen, oldest first. */
    async frozenSubjects(rows: number): Promise<AlertSubject[]> {
      const found = await db
        .selectDistinct({ subject: alerts.subject })
        .from(alerts)
        .where(and(isOpen, freezes, ne(alerts.subject, 'house')))
        .limit(rows)
      return found.map(({ subject }) => subject as AccountId) // what `raise` wrote
    },

    async find(id: string): Promise<AlertRow | undefined> {
      return db.select().from(alerts).where(eq(alerts.id, id)).get()
    },

    /** Again: what was said first stands. @returns whether the subject has other open findings that freeze */
    async resolve(id: string, by: AccountId, reason: string, now: Instant): Promise<{ readonly othersOpen: boolean }> {
      const row = { resolvedAt: now, resolvedBy: by, resolution: reason }
      const subject = db.select({ subject: alerts.subject }).from(alerts).where(eq(alerts.id, id))
      const [, others] = await db.batch([
        db
          .update(alerts)
          .set(row)
          .where(and(eq(alerts.id, id), isOpen)),
        db
          .select({ id: alerts.id })
          .from(alerts)
          .where(and(isOpen, freezes, sql`${alerts.subject} = (${subject})`))
          .limit(1),
      ])
      return { othersOpen: others.length > 0 }
    },

    async countOpen(): Promise<number> {
      return db.$count(alerts, isOpen)
    },
  }
}

const pages = (db: ReturnType<typeof drizzle>) => ({
  /** Newest first. Cursor: `<at>.<id>` of the last row; null for one that nobody gave. */
  async page(which: 'open' | 'all', cursor: string | null, rows: number) {
    const after = cursor === null ? null : cursorOf(cursor)
    if (cursor !== null && !after) return null
    const found = await db
      .select()
      .from(alerts)
      .where(and(which === 'open' ? isOpen : undefined, olderThan(alerts.at, alerts.id, after)))
      .orderBy(desc(alerts.at), desc(alerts.id))
      .limit(rows + 1)
    const data = found.slice(0, rows)
    const last = data.at(-1)
    return { data, nextCursor: found.length > rows && last ? `${last.at}.${last.id}` : null }
  },
})

const RAISE = `
  INSERT INTO alerts (id, kind, subject, detail, at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2 FROM json_each(?1) WHERE true
  ON CONFLICT (id) DO UPDATE SET detail = excluded.detail, at = excluded.at, resolved_at = NULL, resolved_by = NULL, resolution = NULL
    WHERE resolved_at IS NOT NULL AND kind NOT IN ('chain', 'conservation')`

function cursorOf(text: string): Place | null {
  const [, at, id] = /^(\d{1,15})\.(.+)$/.exec(text) ?? []
  return at === undefined || id === undefined ? null : { at: Number(at), id }
}

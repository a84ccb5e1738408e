// How every account stood when the daily sweep last looked, in the registry: what lags and what is under way, for admins; and how far its
// records were held against each other, for the next round.
import { asc, count, isNotNull, max, min, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { accountChecks } from '../../db/money-schema.ts'
import { isAccountId, type AccountId } from '../../protocol/units.ts'

export type AccountCheck = typeof accountChecks.$inferSelect

/** Columns in the order of {@link SAVE}. */
const SAVE = `
  INSERT INTO account_checks (account_id, at, seq, book_seq, lag_since, under_way_nanos, under_way_since, checked_seq, audited_seq)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
  FROM json_each(?1) WHERE true
  ON CONFLICT (account_id) DO UPDATE SET at = excluded.at, seq = excluded.seq, book_seq = excluded.book_seq,
    lag_since = excluded.lag_since, under_way_nanos = excluded.under_way_nanos, under_way_since = excluded.under_way_since,
    checked_seq = excluded.checked_seq, audited_seq = excluded.audited_seq`

export function createChecksBook(registry: D1Database) {
  const db = drizzle(registry)
  return {
    async read(ids: readonly AccountId[]): Promise<Map<AccountId, AccountCheck>> {
      const among = sql`${accountChecks.accountId} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`
      const rows = await db.select().from(accountChecks).where(among)
      return new Map(rows.flatMap((row) => (isAccountId(row.accountId) ? [[row.accountId, row] as const] : [])))
    },

    async save(checks: readonly AccountCheck[]): Promise<void> {
      if (checks.length === 0) return
      const rows = checks.map((row) => [
        row.accountId,
        row.at,
        row.seq,
        row.bookSeq,
        row.lagSince,
        row.underWayNanos,
        row.underWaySince,
        row.checkedSeq,
        row.auditedSeq,
      ])
      await registry.prepare(SAVE).bind(JSON.stringify(rows)).run()
    },

    /** A book that is written again may have less than it had. */
    async forget(accountId: AccountId): Promise<void> {
      await registry.prepare('DELETE FROM account_checks WHERE account_id = ?').bind(accountId).run()
    },

    /** Sums can pass 2^53, so they come as text. */
    async totals() {
      const [row] = await db
        .select({
          accounts: count(),
          unprojected: sql<string>`CAST(coalesce(sum(CASE WHEN ${accountChecks.lagSince} IS NOT NULL THEN ${accountChecks.seq} - ${accountChecks.bookSeq} END), 0) AS TEXT)`,
          lagSince: min(accountChecks.lagSince),
          underWayNanos: sql<string>`CAST(coalesce(sum(${accountChecks.underWayNanos}), 0) AS TEXT)`,
          underWaySince: min(accountChecks.underWaySince),
          checkedAt: max(accountChecks.at),
        })
        .from(accountChecks)
      return row
    },

    /** Those that lag longest. */
    async lagging(rows: number): Promise<AccountCheck[]> {
      return db
        .select()
        .from(accountChecks)
        .where(isNotNull(accountChecks.lagSince))
        .orderBy(asc(accountChecks.lagSince))
        .limit(rows)
    },
  }
}

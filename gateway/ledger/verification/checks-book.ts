// How every account stood when the daily sweep last looked, in the registry: what lags and what is under way, for admins; and how far its
// records were held against each other, for the next round.
import { asc, count, gt, isNotNull, max, min, sql, type SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { accountChecks } from '../../../db/money-schema.ts'
import { isAccountId, type AccountId } from '../../../protocol/units.ts'

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
      const { at, seq, bookSeq, lagSince, underWayNanos, underWaySince } = accountChecks
      const text = (sum: SQL) => sql<string>`CAST(coalesce(sum(${sum}), 0) AS TEXT)`
      // Of all accounts only those are read that lag, or have credits under way; "not null" would be no range of an index to the planner.
      const [[all], [last], [behind], [underWay]] = await db.batch([
        db.select({ accounts: count() }).from(accountChecks),
        db.select({ at: max(at) }).from(accountChecks),
        db
          .select({ lines: text(sql`${seq} - ${bookSeq}`), since: min(lagSince) })
          .from(accountChecks)
          .where(gt(lagSince, 0)),
        db
          .select({ nanos: text(sql`${underWayNanos}`), since: min(underWaySince) })
          .from(accountChecks)
          .where(gt(underWaySince, 0)),
      ])
      return {
        accounts: all?.accounts ?? 0,
        checkedAt: last?.at ?? null,
        unprojected: behind?.lines ?? '0',
        lagSince: behind?.since ?? null,
        underWayNanos: underWay?.nanos ?? '0',
        underWaySince: underWay?.since ?? null,
      }
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

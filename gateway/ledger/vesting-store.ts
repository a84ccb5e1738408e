// Part of the balance that is earned and cannot be spent yet, in the guard's SQLite: a sum per time at which it can.
import { fromSqlInteger, nanos, toSqlInteger, type Instant, type Nanos } from '../../protocol/units.ts'
import type { GuardSql } from './guard-storage.ts'
import type { Vesting } from './transfer-port.ts'

export type VestingStore = ReturnType<typeof createVestingStore>

export function createVestingStore(sql: GuardSql) {
  return {
    add({ until, amountNanos }: Vesting): void {
      sql.exec(
        `INSERT INTO vesting VALUES (?, ?)
         ON CONFLICT (until) DO UPDATE SET amount_nanos = amount_nanos + excluded.amount_nanos`,
        until,
        toSqlInteger(amountNanos),
      )
    },

    /** What cannot be spent at `now`. */
    sum(now: Instant): Nanos {
      const query = 'SELECT coalesce(sum(amount_nanos), 0) AS sum FROM vesting WHERE until > ?'
      return nanos(fromSqlInteger(sql.exec<{ sum: number }>(query, now).one().sum))
    },

    /** What can be spent by now says nothing any more. */
    forget(now: Instant): void {
      sql.exec('DELETE FROM vesting WHERE until <= ?', now)
    },
  }
}

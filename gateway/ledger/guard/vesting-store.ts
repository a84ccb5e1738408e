// Part of the balance that is earned and cannot be spent yet, in the guard's SQLite: a sum per time at which it can.
import { fromSqlInteger, nanos, toSqlInteger, type Instant, type Nanos } from '../../../protocol/units.ts'
import type { GuardSql } from './guard-storage.ts'
import type { Vesting } from '../transfer-port.ts'

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

    /** Soonest first. */
    after(now: Instant): Vesting[] {
      return sql
        .exec<{ until: Instant; amount: number }>(
          'SELECT until, amount_nanos AS amount FROM vesting WHERE until > ? ORDER BY until',
          now,
        )
        .toArray()
        .map(({ until, amount }) => ({ until, amountNanos: nanos(fromSqlInteger(amount)) }))
    },

    /** Money taken back takes from the latest first: what is left is spendable soonest. */
    take(amount: Nanos, now: Instant): void {
      let rest: bigint = amount
      for (const { until, amountNanos } of this.after(now).reverse()) {
        if (rest <= 0n) return
        const taken = nanos(rest < amountNanos ? rest : amountNanos)
        rest -= taken
        if (taken === amountNanos) sql.exec('DELETE FROM vesting WHERE until = ?', until)
        else sql.exec('UPDATE vesting SET amount_nanos = amount_nanos - ? WHERE until = ?', toSqlInteger(taken), until)
      }
    },

    /** What can be spent by now says nothing any more. */
    forget(now: Instant): void {
      sql.exec('DELETE FROM vesting WHERE until <= ?', now)
    },
  }
}

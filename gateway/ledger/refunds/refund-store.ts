// How much of each call was given back, in the guard's SQLite: what keeps all refunds of a call together within its charge.
import { fromSqlInteger, nanos, toSqlInteger, type Nanos } from '../../../protocol/units.ts'
import type { GuardSql } from '../guard/guard-storage.ts'

export type RefundStore = ReturnType<typeof createRefundStore>

export function createRefundStore(sql: GuardSql) {
  return {
    of(callId: string): Nanos {
      const [row] = sql.exec<{ sum: number }>('SELECT refunded_nanos AS sum FROM refunds WHERE call_id = ?', callId)
      return nanos(row ? fromSqlInteger(row.sum) : 0n)
    },

    set(callId: string, refunded: Nanos): void {
      sql.exec('INSERT OR REPLACE INTO refunds VALUES (?, ?)', callId, toSqlInteger(refunded))
    },
  }
}

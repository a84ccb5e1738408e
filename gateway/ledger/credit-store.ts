// Money between guards, in the guard's SQLite: batches on their way to payees, and up to which line each payer has paid us.
// A batch is frozen before it is first sent, so that however often it is sent, it is the same batch.
import { fromSqlInteger, nanos, toSqlInteger, type AccountId, type Instant, type Nanos } from '../../protocol/units.ts'

export interface Batch {
  readonly payee: AccountId
  readonly fromSeq: number
  readonly toSeq: number
  readonly sumNanos: Nanos
  /** failures in a row */
  readonly tries: number
}

interface Row extends Record<string, SqlStorageValue> {
  payee: AccountId
  from_seq: number
  to_seq: number
  sum_nanos: number
  tries: number
}

export type CreditStore = ReturnType<typeof createCreditStore>

export function createCreditStore(sql: SqlStorage) {
  const gathered = (payee: AccountId): Nanos => {
    const [row] = sql.exec<{ sum_nanos: number }>(
      `SELECT sum_nanos FROM credits_out WHERE payee = ? AND state = 'gathering'`,
      payee,
    )
    return nanos(row ? fromSqlInteger(row.sum_nanos) : 0n)
  }
  return {
    /** A line owes a payee something; sent with others at `sendAt`. */
    gather(payee: AccountId, seq: number, amount: Nanos, sendAt: Instant): void {
      const sum = toSqlInteger(gathered(payee) + amount)
      sql.exec(
        `INSERT INTO credits_out (payee, state, from_seq, to_seq, sum_nanos, next_at) VALUES (?, 'gathering', ?, ?, ?, ?)
         ON CONFLICT (payee, state) DO UPDATE SET to_seq = excluded.to_seq, sum_nanos = excluded.sum_nanos`,
        payee,
        seq,
        seq,
        sum,
        sendAt,
      )
    },

    /** Freezes what is due, unless an earlier batch for that payee is still under way. */
    freeze(now: Instant): void {
      sql.exec(
        `UPDATE credits_out SET state = 'sending' WHERE state = 'gathering' AND next_at <= ?
           AND payee NOT IN (SELECT payee FROM credits_out WHERE state = 'sending')`,
        now,
      )
    },

    due(now: Instant, rows: number): Batch[] {
      return sql
        .exec<Row>(
          `SELECT payee, from_seq, to_seq, sum_nanos, tries FROM credits_out
           WHERE state = 'sending' AND next_at <= ? ORDER BY next_at LIMIT ?`,
          now,
          rows,
        )
        .toArray()
        .map(batchOf)
    },

    /** Acknowledged by the payee: no longer under way. */
    done({ payee, toSeq }: Batch): void {
      sql.exec(`DELETE FROM credits_out WHERE payee = ? AND state = 'sending' AND to_seq = ?`, payee, toSeq)
    },

    failed({ payee, toSeq, tries }: Batch, nextAt: Instant): void {
      sql.exec(
        `UPDATE credits_out SET tries = ?, next_at = ? WHERE payee = ? AND state = 'sending' AND to_seq = ?`,
        tries + 1,
        nextAt,
        payee,
        toSeq,
      )
    },

    /** When something can next be sent: what gathers behind an unacknowledged batch waits for it. */
    nextAt(): Instant | null {
      return sql
        .exec<{ at: Instant | null }>(
          `SELECT min(next_at) AS at FROM credits_out WHERE state = 'sending'
             OR payee NOT IN (SELECT payee FROM credits_out WHERE state = 'sending')`,
        )
        .one().at
    },
  }
}

export type MarkStore = ReturnType<typeof createMarkStore>

/** The other side: what arrived here. */
export function createMarkStore(sql: SqlStorage) {
  return {
    /** Up to which of this payer's lines we were credited; 0 before the first. */
    of(payer: AccountId): number {
      const [row] = sql.exec<{ to_seq: number }>('SELECT to_seq FROM credits_in WHERE payer = ?', payer)
      return row?.to_seq ?? 0
    },

    set(payer: AccountId, toSeq: number): void {
      sql.exec(
        'INSERT INTO credits_in VALUES (?, ?) ON CONFLICT (payer) DO UPDATE SET to_seq = excluded.to_seq',
        payer,
        toSeq,
      )
    },
  }
}

const batchOf = ({ payee, from_seq, to_seq, sum_nanos, tries }: Row): Batch => ({
  payee,
  fromSeq: from_seq,
  toSeq: to_seq,
  sumNanos: nanos(fromSqlInteger(sum_nanos)),
  tries,
})

// Money between guards, in the guard's SQLite: batches on their way to payees, and up to which line each payer has paid us.
// A batch is frozen before it is first sent, so that however often it is sent, it is the same batch.
import { z } from 'zod'
import { fromSqlInteger, instant, nanos, toSqlInteger, type AccountId, type Instant } from '../../../protocol/units.ts'
import type { GuardSql, SqlRow } from './guard-storage.ts'
import type { Earning } from '../calls/split.ts'
import type { Credit, Vesting } from '../transfer-port.ts'

/** What one payee gets of this account's lines fromSeq…toSeq. */
export interface Batch extends Omit<Credit, 'payer'> {
  readonly payee: AccountId
  /** failures in a row */
  readonly tries: number
}

interface Row extends SqlRow {
  payee: AccountId
  from_seq: number
  to_seq: number
  sum_nanos: number
  operator_nanos: number
  author_nanos: number
  fees_nanos: number
  vesting: string
  tries: number
}

export type CreditStore = ReturnType<typeof createCreditStore>

export function createCreditStore(sql: GuardSql) {
  const vestingOf = (payee: AccountId): Vesting[] => {
    const query = `SELECT vesting FROM credits_out WHERE payee = ? AND state = 'gathering'`
    const [row] = sql.exec<Pick<Row, 'vesting'>>(query, payee)
    return row ? vestingFromText(row.vesting) : []
  }
  return {
    /** A line owes a payee something; sent with others at `sendAt`. */
    gather(earning: Earning, seq: number, sendAt: Instant): void {
      const { payee, operatorNanos, authorNanos, feesNanos } = earning
      // Few lines vest, so most are added without a look at what is there.
      const vesting = earning.vesting.length > 0 ? vestingToText(addVesting(vestingOf(payee), earning.vesting)) : null
      sql.exec(
        `INSERT INTO credits_out (payee, state, from_seq, to_seq, sum_nanos, operator_nanos, author_nanos, fees_nanos, vesting, next_at)
         VALUES (?1, 'gathering', ?2, ?2, ?3, ?4, ?5, ?6, coalesce(?7, '[]'), ?8)
         ON CONFLICT (payee, state) DO UPDATE SET to_seq = excluded.to_seq, sum_nanos = sum_nanos + excluded.sum_nanos,
           operator_nanos = operator_nanos + excluded.operator_nanos, author_nanos = author_nanos + excluded.author_nanos,
           fees_nanos = fees_nanos + excluded.fees_nanos, vesting = coalesce(?7, vesting)`,
        payee,
        seq,
        toSqlInteger(operatorNanos + authorNanos),
        toSqlInteger(operatorNanos),
        toSqlInteger(authorNanos),
        toSqlInteger(feesNanos),
        vesting,
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
          `SELECT * FROM credits_out
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
  }
}

export type MarkStore = ReturnType<typeof createMarkStore>

/** The other side: what arrived here. */
export function createMarkStore(sql: GuardSql) {
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

const batchOf = (row: Row): Batch => ({
  payee: row.payee,
  fromSeq: row.from_seq,
  toSeq: row.to_seq,
  sumNanos: nanos(fromSqlInteger(row.sum_nanos)),
  operatorNanos: nanos(fromSqlInteger(row.operator_nanos)),
  authorNanos: nanos(fromSqlInteger(row.author_nanos)),
  feesNanos: nanos(fromSqlInteger(row.fees_nanos)),
  vesting: vestingFromText(row.vesting),
  tries: row.tries,
})

/** One entry per time, soonest first. */
function addVesting(before: readonly Vesting[], more: readonly Vesting[]): Vesting[] {
  const sums = new Map<Instant, bigint>()
  for (const { until, amountNanos } of [...before, ...more]) sums.set(until, (sums.get(until) ?? 0n) + amountNanos)
  return [...sums]
    .map(([until, sum]): Vesting => ({ until, amountNanos: nanos(sum) }))
    .sort((a, b) => a.until - b.until)
}

const VestingJson = z.array(z.tuple([z.number().int(), z.number().int()]))

const vestingToText = (vesting: readonly Vesting[]): string =>
  JSON.stringify(vesting.map(({ until, amountNanos }) => [until, toSqlInteger(amountNanos)]))

const vestingFromText = (text: string): Vesting[] =>
  VestingJson.parse(JSON.parse(text)).map(([until, amount]) => ({
    until: instant(until),
    amountNanos: nanos(fromSqlInteger(amount)),
  }))

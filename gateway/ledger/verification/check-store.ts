// What a guard reads to check itself, in its SQLite: sums that its counters must equal, computed here from the rows themselves and by nothing
// that writes them; and how far it has checked its journal before.
import {
  fromSqlInteger,
  nanos,
  toSqlInteger,
  type AccountId,
  type Instant,
  type Nanos,
} from '../../../protocol/units.ts'
import { GENESIS_HASH } from '../../../protocol/journal.ts'
import type { CheckedPoint } from './line-check.ts'
import type { GuardSql } from '../guard/guard-storage.ts'

export interface HeldSum {
  /** KeyId, or 'account' */
  readonly subject: string
  readonly heldNanos: Nanos
  readonly openHolds: number
}

export interface UnderWay {
  readonly payee: AccountId
  readonly fromSeq: number
  readonly toSeq: number
  readonly sumNanos: Nanos
}

export type CheckStore = ReturnType<typeof createCheckStore>

type HeldRow = { subject: string; held: number; holds: number }
type UnderWayRow = { payee: AccountId; from_seq: number; to_seq: number; sum_nanos: number }

export function createCheckStore(sql: GuardSql) {
  const heldRows = (query: string): HeldSum[] =>
    sql
      .exec<HeldRow>(query)
      .toArray()
      .map(({ subject, held, holds }) => ({ subject, heldNanos: nanos(fromSqlInteger(held)), openHolds: holds }))
  return {
    /** Up to where the journal was checked before. */
    point(): CheckedPoint {
      const row = sql
        .exec<{ seq: number; hash: string | null; balance: number }>(
          'SELECT checked_seq AS seq, checked_hash AS hash, checked_balance_nanos AS balance FROM account',
        )
        .one()
      return { seq: row.seq, hash: row.hash ?? GENESIS_HASH, balanceNanos: nanos(fromSqlInteger(row.balance)) }
    },

    setPoint({ seq, hash, balanceNanos }: CheckedPoint): void {
      sql.exec(
        'UPDATE account SET checked_seq = ?, checked_hash = ?, checked_balance_nanos = ?',
        seq,
        hash,
        toSqlInteger(balanceNanos),
      )
    },

    /** Open holds by key. */
    openByKey: () =>
      heldRows(
        `SELECT key_id AS subject, sum(amount_nanos) AS held, count(*) AS holds FROM holds WHERE state = 'open' GROUP BY key_id`,
      ),

    /** What the limits count of them: by key, and for the whole account. */
    counted: () => heldRows('SELECT subject, held_nanos AS held, open_holds AS holds FROM limits'),

    /** The open hold that is overdue longest. */
    overdue(before: Instant): { readonly callId: string; readonly deadline: Instant } | null {
      const query = `SELECT call_id AS callId, deadline FROM holds WHERE state = 'open' AND deadline <= ? ORDER BY deadline, call_id LIMIT 1`
      return sql.exec<{ callId: string; deadline: Instant }>(query, before).toArray()[0] ?? null
    },

    underWay(rows: number): UnderWay[] {
      return sql
        .exec<UnderWayRow>('SELECT payee, from_seq, to_seq, sum_nanos FROM credits_out ORDER BY from_seq LIMIT ?', rows)
        .toArray()
        .map(({ payee, from_seq, to_seq, sum_nanos }) => ({
          payee,
          fromSeq: from_seq,
          toSeq: to_seq,
          sumNanos: nanos(fromSqlInteger(sum_nanos)),
        }))
    },

    underWaySum(): Nanos {
      const query = 'SELECT coalesce(sum(sum_nanos), 0) AS sum FROM credits_out'
      return nanos(fromSqlInteger(sql.exec<{ sum: number }>(query).one().sum))
    },

    /** Sum of the deltas of all lines after `seq`; nine places without the point are nanos. */
    deltasAfter(seq: number): bigint {
      const query = `SELECT CAST(coalesce(sum(CAST(replace(body ->> '$.delta', '.', '') AS INTEGER)), 0) AS TEXT) AS sum
        FROM lines WHERE seq > ? AND json_valid(body)`
      return BigInt(sql.exec<{ sum: string }>(query, seq).one().sum)
    },
  }
}

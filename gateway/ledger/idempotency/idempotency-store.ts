// Idempotency-Keys in the guard's SQLite: which request each belongs to, and the sealed answer it had.
import type { CallId, Instant } from '../../../protocol/units.ts'
import type { GuardSql, SqlRow } from '../guard/guard-storage.ts'

export interface IdempotencyRecord {
  readonly id: string
  readonly bodyHash: string
  /** null for a POST that is no call */
  readonly callId: CallId | null
  /** null while under way */
  readonly status: number | null
  readonly kept: ArrayBuffer | null
  /** of a POST under way: when it counts as lost */
  readonly lostAt: Instant | null
  readonly expiresAt: Instant
}

interface Row extends SqlRow {
  id: string
  body_hash: string
  call_id: CallId | null
  status: number | null
  kept: ArrayBuffer | null
  lost_at: Instant | null
  expires_at: Instant
}

export type IdempotencyStore = ReturnType<typeof createIdempotencyStore>

export function createIdempotencyStore(sql: GuardSql) {
  return {
    find(id: string): IdempotencyRecord | null {
      const [row] = sql.exec<Row>('SELECT * FROM idempotency WHERE id = ?', id)
      return row ? recordOf(row) : null
    },

    save({ id, bodyHash, callId, status, kept, lostAt, expiresAt }: IdempotencyRecord): void {
      sql.exec(
        'INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)',
        id,
        bodyHash,
        callId,
        status,
        kept,
        lostAt,
        expiresAt,
      )
    },

    forget(id: string): void {
      sql.exec('DELETE FROM idempotency WHERE id = ?', id)
    },

    /** Oldest first. */
    purge(now: Instant, rows: number): void {
      const oldest = 'SELECT id FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?'
      sql.exec(`DELETE FROM idempotency WHERE id IN (${oldest})`, now, rows)
    },
  }
}

const recordOf = (row: Row): IdempotencyRecord => ({
  id: row.id,
  bodyHash: row.body_hash,
  callId: row.call_id,
  status: row.status,
  kept: row.kept,
  lostAt: row.lost_at,
  expiresAt: row.expires_at,
})

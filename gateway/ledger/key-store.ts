// API keys in the guard's SQLite: what they may do, what they have spent and hold, and what is left of their rates.
import { z } from 'zod'
import { BudgetPeriod, Scope } from '../../protocol/auth.ts'
import { fromSqlInteger, nanos, toSqlInteger, type Instant, type KeyId } from '../../protocol/units.ts'
import type { CreateKey } from './account-port.ts'
import type { KeyState } from './admit.ts'
import { fullLevel } from './token-bucket.ts'

interface Row extends Record<string, SqlStorageValue> {
  n: number
  id: KeyId
  secret_hash: string
  hint: string
  name: string
  scopes: string
  models: string | null
  limit_nanos: number | null
  limit_period: string | null
  rpm: number | null
  tpm: number | null
  concurrency: number | null
  created_at: Instant
  expires_at: Instant | null
  revoked_at: Instant | null
  spent_nanos: number
  spent_since: Instant
  held_nanos: number
  open_holds: number
  calls_level: number
  tokens_level: number
  levels_at: Instant
}

const Scopes = z.array(Scope)
const Models = z.array(z.string())

export type KeyStore = ReturnType<typeof createKeyStore>

export function createKeyStore(sql: SqlStorage) {
  return {
    insert(key: CreateKey, now: Instant): void {
      sql.exec(
        `INSERT INTO keys (id, secret_hash, hint, name, scopes, models, limit_nanos, limit_period, rpm, tpm, concurrency,
           created_at, expires_at, calls_level, tokens_level, levels_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        key.id,
        key.secretHash,
        key.hint,
        key.name,
        JSON.stringify(key.scopes),
        key.models && JSON.stringify(key.models),
        key.limit && toSqlInteger(key.limit.nanos),
        key.limit && key.limit.period,
        key.rpm,
        key.tpm,
        key.concurrency,
        now,
        key.expiresAt,
        fullLevel(key.rpm ?? 0),
        fullLevel(key.tpm ?? 0),
        now,
      )
    },

    find(id: KeyId): KeyState | null {
      const [row] = sql.exec<Row>('SELECT * FROM keys WHERE id = ?', id)
      return row ? stateOf(row) : null
    },

    /** What changes with calls. */
    saveUse(key: KeyState): void {
      sql.exec(
        `UPDATE keys SET spent_nanos = ?, spent_since = ?, held_nanos = ?, open_holds = ?, calls_level = ?, tokens_level = ?,
           levels_at = ? WHERE id = ?`,
        toSqlInteger(key.spentNanos),
        key.spentSince,
        toSqlInteger(key.heldNanos),
        key.openHolds,
        key.levels.calls,
        key.levels.tokens,
        key.levels.at,
        key.id,
      )
    },

    revoke(id: KeyId, now: Instant): void {
      sql.exec('UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', now, id)
    },

    /** Neither revoked nor expired. */
    countActive(now: Instant): number {
      return sql
        .exec<{ count: number }>(
          'SELECT count(*) AS count FROM keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)',
          now,
        )
        .one().count
    },

    /** Newest first, below `before`; `n` is the cursor. */
    page(before: number, rows: number): { n: number; key: KeyState }[] {
      return sql
        .exec<Row>('SELECT * FROM keys WHERE n < ? ORDER BY n DESC LIMIT ?', before, rows)
        .toArray()
        .map((row) => ({ n: row.n, key: stateOf(row) }))
    },
  }
}

const stateOf = (row: Row): KeyState => ({
  id: row.id,
  secretHash: row.secret_hash,
  hint: row.hint,
  name: row.name,
  scopes: Scopes.parse(JSON.parse(row.scopes)),
  models: row.models === null ? null : Models.parse(JSON.parse(row.models)),
  limit:
    row.limit_nanos === null
      ? null
      : { nanos: nanos(fromSqlInteger(row.limit_nanos)), period: BudgetPeriod.parse(row.limit_period) },
  rpm: row.rpm,
  tpm: row.tpm,
  concurrency: row.concurrency,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  revokedAt: row.revoked_at,
  spentNanos: nanos(fromSqlInteger(row.spent_nanos)),
  spentSince: row.spent_since,
  heldNanos: nanos(fromSqlInteger(row.held_nanos)),
  openHolds: row.open_holds,
  levels: { calls: row.calls_level, tokens: row.tokens_level, at: row.levels_at },
})

// API keys in the guard's SQLite: whose secret, what it may do, until when. What counts against its limits stands in limit-store.ts.
import { z } from 'zod'
import { Scope } from '../../../protocol/auth.ts'
import { InstantNumber, NodeIdText } from '../../../protocol/fields.ts'
import type { Instant, KeyId } from '../../../protocol/units.ts'
import type { KeyState } from '../calls/admit.ts'
import type { GuardSql, SqlRow } from '../guard/guard-storage.ts'
import type { Secrets } from './key-secret.ts'
import type { CreateKey } from '../limits/limit-port.ts'

interface Row extends SqlRow {
  n: number
  id: KeyId
  secret_hash: string
  hint: string
  name: string
  scopes: string
  models: string | null
  nodes: string | null
  created_at: Instant
  expires_at: Instant | null
  revoked_at: Instant | null
  old_secrets: string
}

const Scopes = z.array(Scope)
const Models = z.array(z.string())
const Nodes = z.array(NodeIdText)
const OldSecrets = z.array(z.object({ hash: z.string(), until: InstantNumber }))

export type KeyStore = ReturnType<typeof createKeyStore>

export function createKeyStore(sql: GuardSql) {
  return {
    insert(key: CreateKey, now: Instant): void {
      sql.exec(
        `INSERT INTO keys (id, secret_hash, hint, name, scopes, models, nodes, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        key.id,
        key.secretHash,
        key.hint,
        key.name,
        JSON.stringify(key.scopes),
        key.models && JSON.stringify(key.models),
        key.nodes && JSON.stringify(key.nodes),
        now,
        key.expiresAt,
      )
    },

    find(id: KeyId): KeyState | null {
      const [row] = sql.exec<Row>('SELECT * FROM keys WHERE id = ?', id)
      return row ? stateOf(row) : null
    },

    revoke(id: KeyId, now: Instant): void {
      sql.exec('UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', now, id)
    },

    /** @returns how many were active */
    revokeAll(now: Instant): number {
      const active = this.countActive(now)
      sql.exec('UPDATE keys SET revoked_at = ? WHERE revoked_at IS NULL', now)
      return active
    },

    setSecrets(id: KeyId, { secretHash, oldSecrets }: Secrets, hint: string): void {
      sql.exec(
        'UPDATE keys SET secret_hash = ?, old_secrets = ?, hint = ? WHERE id = ?',
        secretHash,
        JSON.stringify(oldSecrets),
        hint,
        id,
      )
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
  nodes: row.nodes === null ? null : Nodes.parse(JSON.parse(row.nodes)),
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  revokedAt: row.revoked_at,
  oldSecrets: OldSecrets.parse(JSON.parse(row.old_secrets)),
})

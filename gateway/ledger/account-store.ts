// The one row that says whose guard this is, what it has, and how far its journal and its projection stand.
import { fromSqlInteger, nanos, toSqlInteger, type AccountId, type Instant, type Nanos } from '../../protocol/units.ts'
import type { Balance } from './account-port.ts'
import { GENESIS_HASH } from './journal.ts'

export interface AccountState {
  readonly id: AccountId
  /** open holds included */
  readonly balanceNanos: Nanos
  readonly heldNanos: Nanos
  readonly seq: number
  readonly lastHash: string
}

export interface Projection {
  readonly accountId: AccountId
  /** the book has at least the lines up to here */
  readonly seq: number
  readonly tries: number
  readonly nextAt: Instant | null
}

interface Row extends Record<string, SqlStorageValue> {
  id: AccountId
  balance_nanos: number
  held_nanos: number
  seq: number
  last_hash: string
  projected_seq: number
  project_at: Instant | null
  project_tries: number
}

export type AccountStore = ReturnType<typeof createAccountStore>

export function createAccountStore(sql: SqlStorage) {
  const row = (): Row | null => sql.exec<Row>('SELECT * FROM account').toArray()[0] ?? null
  return {
    open(id: AccountId): void {
      sql.exec('INSERT INTO account VALUES (1, ?, 0, 0, 0, ?, 0, NULL, 0)', id, GENESIS_HASH)
    },

    /** Null for a guard that was never opened: it refuses everything. */
    read(): AccountState | null {
      const found = row()
      return found && stateOf(found)
    },

    setHeld(heldNanos: Nanos): void {
      sql.exec('UPDATE account SET held_nanos = ?', toSqlInteger(heldNanos))
    },

    /** After a line; the projection is due at `projectAt` unless it is already due earlier. */
    setHead(head: Pick<AccountState, 'balanceNanos' | 'seq' | 'lastHash'>, projectAt: Instant): void {
      sql.exec(
        'UPDATE account SET balance_nanos = ?, seq = ?, last_hash = ?, project_at = coalesce(project_at, ?)',
        toSqlInteger(head.balanceNanos),
        head.seq,
        head.lastHash,
        projectAt,
      )
    },

    projection(): Projection | null {
      const found = row()
      if (!found) return null
      const { id, projected_seq, project_tries, project_at } = found
      return { accountId: id, seq: projected_seq, tries: project_tries, nextAt: project_at }
    },

    /** The book stands at `seq`. What was written meanwhile is due at once. */
    setProjected(seq: number, now: Instant): void {
      sql.exec(
        'UPDATE account SET projected_seq = ?, project_tries = 0, project_at = CASE WHEN seq > ? THEN ? END',
        seq,
        seq,
        now,
      )
    },

    setProjectionFailed(tries: number, nextAt: Instant): void {
      sql.exec('UPDATE account SET project_tries = ?, project_at = ?', tries, nextAt)
    },
  }
}

export const balanceOf = ({ balanceNanos, heldNanos }: AccountState): Balance => ({
  availableNanos: nanos(balanceNanos - heldNanos),
  heldNanos,
})

const stateOf = ({ id, balance_nanos, held_nanos, seq, last_hash }: Row): AccountState => ({
  id,
  balanceNanos: nanos(fromSqlInteger(balance_nanos)),
  heldNanos: nanos(fromSqlInteger(held_nanos)),
  seq,
  lastHash: last_hash,
})

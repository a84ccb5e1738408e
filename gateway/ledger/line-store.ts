// Journal lines in the guard's SQLite: written once, never changed.
import type { ChainedLine } from '../../protocol/journal.ts'
import type { GuardSql, SqlRow } from './guard-storage.ts'

interface Row extends SqlRow {
  seq: number
  prev_hash: string
  hash: string
  body: string
}

export type LineStore = ReturnType<typeof createLineStore>

export function createLineStore(sql: GuardSql) {
  return {
    insert({ seq, prevHash, hash, body }: ChainedLine, transferId: string): void {
      sql.exec('INSERT INTO lines VALUES (?, ?, ?, ?, ?)', seq, transferId, prevHash, hash, body)
    },

    /** By the id of its transfer: what makes repeated grants and captures harmless. */
    find(transferId: string): ChainedLine | null {
      const [row] = sql.exec<Row>('SELECT seq, prev_hash, hash, body FROM lines WHERE transfer_id = ?', transferId)
      return row ? lineOf(row) : null
    },

    /** In order, after `seq`. */
    after(seq: number, rows: number): ChainedLine[] {
      return sql
        .exec<Row>('SELECT seq, prev_hash, hash, body FROM lines WHERE seq > ? ORDER BY seq LIMIT ?', seq, rows)
        .toArray()
        .map(lineOf)
    },
  }
}

const lineOf = ({ seq, prev_hash, hash, body }: Row): ChainedLine => ({ seq, prevHash: prev_hash, hash, body })

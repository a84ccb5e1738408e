// Journal lines in the guard's SQLite: written once, never changed.
import type { ChainedLine } from '../../../protocol/journal.ts'
import type { ExportLine } from '../../../protocol/journal-export.ts'
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

    /** ms of a line; null when there is none, or its body is no JSON. */
    timeAt(seq: number): number | null {
      const query = `SELECT body ->> '$.at' AS at FROM lines WHERE seq = ? AND json_valid(body)`
      return sql.exec<{ at: number | null }>(query, seq).toArray()[0]?.at ?? null
    },

    /** In order, after `seq`. */
    after(seq: number, rows: number): ChainedLine[] {
      return sql
        .exec<Row>('SELECT seq, prev_hash, hash, body FROM lines WHERE seq > ? ORDER BY seq LIMIT ?', seq, rows)
        .toArray()
        .map(lineOf)
    },

    /** ms of the last line; 0 before the first. */
    lastAt(): number {
      const [row] = sql.exec<{ at: number }>(`SELECT body ->> '$.at' AS at FROM lines ORDER BY seq DESC LIMIT 1`)
      return row?.at ?? 0
    },

    /** In order, after `seq`, at least one and about as many as `chars` allows. @param proofs what of them is kept too */
    page(seq: number, rows: number, chars: number, proofs: boolean): ExportLine[] {
      const page: ExportLine[] = []
      let read = 0
      for (const row of sql.exec<ProvenRow>(proofs ? PROVEN : PLAIN, seq, rows)) {
        const { receipt, ticket, salt } = row
        page.push({
          ...lineOf(row),
          ...(receipt === null ? {} : { receipt }),
          ...(ticket === null ? {} : { ticket }),
          ...(salt === null ? {} : { salt }),
        })
        read += row.body.length + (receipt?.length ?? 0) + (ticket?.length ?? 0)
        if (read >= chars) break
      }
      return page
    },
  }
}

interface ProvenRow extends Row {
  receipt: string | null
  ticket: string | null
  salt: string | null
}

const PLAIN = `
  SELECT seq, prev_hash, hash, body, NULL AS receipt, NULL AS ticket, NULL AS salt FROM lines
  WHERE seq > ? ORDER BY seq LIMIT ?`

/** A proof stands at the line whose hash it has: a late receipt, and a ticket that came with it, at the receipt's own line. */
const PROVEN = `
  SELECT l.seq, l.prev_hash, l.hash, l.body,
    CASE WHEN coalesce(l.body ->> '$.call.receiptHash', l.body ->> '$.receipt.receiptHash') IS NOT NULL
      THEN h.detail ->> '$.receipt' END AS receipt,
    CASE WHEN coalesce(l.body ->> '$.call.ticketHash', l.body ->> '$.receipt.receiptHash') IS NOT NULL
      THEN h.detail ->> '$.ticket' END AS ticket,
    CASE WHEN coalesce(l.body ->> '$.call.ticketHash', l.body ->> '$.receipt.receiptHash') IS NOT NULL
      THEN h.detail ->> '$.salt' END AS salt
  FROM lines l LEFT JOIN holds h ON h.state <> 'open'
    AND h.call_id = coalesce(l.body ->> '$.receipt.callId', l.transfer_id)
  WHERE l.seq > ? ORDER BY l.seq LIMIT ?`

const lineOf = ({ seq, prev_hash, hash, body }: Row): ChainedLine => ({ seq, prevHash: prev_hash, hash, body })

// Which of a node's calls have their receipt, as the books say it: of its newest calls, so that a busy node is looked at as quickly as a quiet one. A receipt
// that came with the answer stands in the call's own line; one that came later has a line of its own.
import type { Instant, NodeId } from '../../../protocol/units.ts'

/** calls of a node that are looked at: enough for a share, and some milliseconds of the book */
const CALLS_MAX = 500
const SPAN_MS = 30 * 86_400_000

export interface NodeReceipts {
  /** calls it finished that owe a receipt, with one or without: at most 500, of the last 30 days */
  readonly calls: number
  /** of them, without one until now */
  readonly owed: number
  /** of them, whose receipt came after the answer */
  readonly late: number
}

export function createNodeReceipts(books: readonly D1Database[]) {
  return async (nodeId: NodeId, now: Instant): Promise<NodeReceipts> => {
    const asked = books.map((book) =>
      book
        .prepare(RECEIPTS)
        .bind(nodeId, now - SPAN_MS, CALLS_MAX)
        .first<NodeReceipts>(),
    )
    const read = await Promise.all(asked)
    const sum = (of: (row: NodeReceipts) => number) => read.reduce((all, row) => all + (row ? of(row) : 0), 0)
    return { calls: sum((row) => row.calls), owed: sum((row) => row.owed), late: sum((row) => row.late) }
  }
}

/** Of a call that failed and cost nothing none is owed; of one whose detail retention has cleared nobody knows any more. */
const RECEIPTS = `
  WITH newest AS (SELECT id, account_id, outcome, charge_nanos, detail FROM calls
    WHERE node_id = ?1 AND started_at >= ?2 ORDER BY started_at DESC LIMIT ?3)
  SELECT count(*) AS calls, coalesce(sum(c.detail ->> '$.receipt' IS NULL), 0) AS owed,
    coalesce(sum(c.detail ->> '$.receipt' IS NOT NULL AND EXISTS (
      SELECT 1 FROM lines AS l WHERE l.transfer_id = 'receipt:' || c.id AND +l.account_id = c.account_id)), 0) AS late
  FROM newest AS c WHERE c.detail <> 'null' AND (c.outcome = 'complete' OR c.charge_nanos > 0)`

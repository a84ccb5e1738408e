// Receipts that were refused for good, for the node's operator to read. Whoever holds a ticket can have it counted, once: also the payer of its call, who has
// both. So nothing is decided by it, and there is a bound to it.
import type { Instant, NodeId } from '../../../protocol/units.ts'

/** that were refused because its node did not sign them, or because they are for another ticket */
export type RefusedCode = 'bad_receipt' | 'not_for_ticket'

export interface RefusedReceipt {
  readonly nodeId: NodeId
  /** of its ticket */
  readonly jti: string
  readonly code: RefusedCode
}
export type RefusedCount = { readonly code: RefusedCode; readonly count: number }

/** ms they are told for */
const SPAN_MS = 30 * 86_400_000
/** rows of a node: what is beyond them says nothing more */
const ROWS_MAX = 1_000

export function createRefusedReceipts(registry: D1Database) {
  return {
    /** Again: the first time stands. */
    async note(refused: readonly RefusedReceipt[], now: Instant): Promise<void> {
      if (refused.length === 0) return
      const rows = JSON.stringify(refused.map(({ nodeId, jti, code }) => [nodeId, jti, code]))
      await registry.batch([
        registry.prepare(FORGET).bind(rows, now - SPAN_MS),
        registry.prepare(NOTE).bind(rows, now, ROWS_MAX),
      ])
    },

    async of(nodeId: NodeId, now: Instant): Promise<RefusedCount[]> {
      const { results } = await registry
        .prepare(COUNT)
        .bind(nodeId, now - SPAN_MS)
        .all<RefusedCount>()
      return results
    },
  }
}

const FORGET = `
  DELETE FROM refused_receipts WHERE node_id IN (SELECT value ->> 0 FROM json_each(?1)) AND at < ?2`
const NOTE = `
  INSERT INTO refused_receipts (node_id, jti, code, at)
  SELECT value ->> 0, value ->> 1, value ->> 2, ?2 FROM json_each(?1)
  WHERE (SELECT count(*) FROM refused_receipts AS r WHERE r.node_id = value ->> 0) < ?3
  ON CONFLICT (node_id, jti) DO NOTHING`
const COUNT = `
  SELECT code, count(*) AS count FROM refused_receipts WHERE node_id = ?1 AND at >= ?2 GROUP BY code ORDER BY code`

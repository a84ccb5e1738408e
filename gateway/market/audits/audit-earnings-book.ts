// Audits as their node knows them: calls it was paid for. They stand in its earnings beside those of callers, with the same fields and as early, or what is
// missing there would tell a node which of its calls were audits, and by that which of its pseudonyms are surely customers.
import { and, desc, eq, gt, gte, isNotNull, lt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { audits } from '../../../db/market-schema.ts'
import { fromSqlInteger, instant, nanos, type NodeId } from '../../../protocol/units.ts'
import { olderThan, type Place } from '../../core/keyset.ts'

export interface AuditEarningsQuestion {
  readonly nodeId: NodeId
  /** ms, included */
  readonly from: number
  /** ms, left out */
  readonly to: number
  /** what was shown last; null: from the newest on */
  readonly after: Place | null
  readonly rows: number
}

/** Newest first; `readTo` is where it stopped, null when there are no more. */
export function createAuditEarnings(database: D1Database) {
  const db = drizzle(database)
  return async ({ nodeId, from, to, after, rows }: AuditEarningsQuestion) => {
    const found = await db
      .select()
      .from(audits)
      .where(
        and(
          eq(audits.nodeId, nodeId),
          isNotNull(audits.endedAt),
          gte(audits.endedAt, from),
          lt(audits.endedAt, to),
          gt(audits.chargedNanos, 0),
          olderThan(audits.endedAt, audits.id, after),
        ),
      )
      .orderBy(desc(audits.endedAt), desc(audits.id))
      .limit(rows + 1)
    const earnings = found.map((row) => ({
      at: instant(row.endedAt ?? 0),
      id: row.id,
      attempt: 0,
      model: row.modelId,
      inputTokens: row.inputTokens,
      outputTokens: row.outputTokens,
      tensorBytes: row.tensorBytes,
      chargedNanos: nanos(fromSqlInteger(row.chargedNanos)),
      earnedNanos: nanos(fromSqlInteger(row.costNanos)),
    }))
    return { earnings, readTo: found.length > rows ? (earnings.at(-1) ?? null) : null }
  }
}

// What a node earned, as the books have it: the operator's legs of calls, call by call. Where several nodes are paid for a call, the legs in its line
// name theirs. Others name an account alone, so such a leg is that node's which finished the call, where it is its operator's; where another
// operator's node finished (lines of before), it is that of the operator's last node among the attempts.
import { fromSqlInteger, instant, nanos, type AccountId, type ModelId, type NodeId } from '../../../protocol/units.ts'
import { LEDGER } from '../limits/limits.ts'
import type { Earning, Place, Reading } from './node-earnings.ts'

/** Whose legs, and which nodes they may belong to. */
export interface NodeOwner {
  readonly accountId: AccountId
  /** all nodes of that account */
  readonly nodeIds: readonly NodeId[]
}

export interface EarningsQuestion {
  readonly nodeId: NodeId
  readonly owner: NodeOwner
  /** ms, included */
  readonly from: number
  /** ms, left out */
  readonly to: number
  /** what was shown last; null: from the newest on */
  readonly after: { readonly at: number; readonly id: string } | null
  readonly rows: number
}

export function createNodeEarnings(books: readonly D1Database[]) {
  return (question: EarningsQuestion): Promise<Reading[]> => Promise.all(books.map((book) => read(book, question)))
}

async function read(book: D1Database, { nodeId, owner, from, to, after, rows }: EarningsQuestion): Promise<Reading> {
  const until = after === null ? to : Math.min(to, after.at + 1)
  const span = [owner.accountId, from, until, after?.at ?? null, after?.id ?? ''] as const
  const [ends, found] = await book.batch<Record<string, unknown>>([
    book.prepare(END).bind(...span, LEDGER.earningsLegsMax - 1),
    book.prepare(EARNINGS).bind(...span, LEDGER.earningsLegsMax, nodeId, JSON.stringify(owner.nodeIds), rows + 1),
  ])
  const [end] = (ends?.results ?? []) as unknown as Place[] // as END selects it
  const earnings = ((found?.results ?? []) as unknown as Row[]).map(toEarning) // as EARNINGS selects them
  return { earnings, readTo: end ?? null }
}

/** One row per line, however many legs it has for its operator: a part of them may vest. */
const LINES = `
  FROM legs AS l
  WHERE l.party = ?1 AND l.role = 'operator' AND l.at >= ?2 AND l.at < ?3 AND (?4 IS NULL OR (l.at, l.transfer_id) < (?4, ?5))
    AND NOT EXISTS (SELECT 1 FROM legs AS e
      WHERE e.account_id = l.account_id AND e.seq = l.seq AND e.leg < l.leg AND e.party = l.party AND e.role = 'operator')
  ORDER BY l.at DESC, l.transfer_id DESC`

const END = `SELECT l.at AS at, l.transfer_id AS id ${LINES} LIMIT 1 OFFSET ?6`

const EARNINGS = `
  WITH paid AS (SELECT l.account_id, l.seq, l.transfer_id, l.at ${LINES} LIMIT ?6),
  told AS (SELECT p.*, n.body, coalesce(instr(n.body, '"node":"') > 0, false) AS isNamed
    FROM paid AS p LEFT JOIN lines AS n ON n.account_id = p.account_id AND n.seq = p.seq)
  SELECT p.at AS at, c.id AS id, c.model_id AS model, c.input_tokens AS inputTokens, c.output_tokens AS outputTokens,
    c.tensor_bytes AS tensorBytes, c.charge_nanos AS chargedNanos,
    (SELECT sum(g.amount_nanos) FROM legs AS g
      WHERE g.account_id = p.account_id AND g.seq = p.seq AND g.party = ?1 AND g.role = 'operator'
        AND (NOT p.isNamed OR p.body ->> ('$.legs[' || g.leg || '].node') = ?7)) AS earnedNanos,
    coalesce((SELECT max(value ->> 'attempt') FROM json_each(c.detail, '$.attempts') WHERE value ->> 'nodeId' = ?7), 0) AS attempt
  FROM told AS p JOIN calls AS c ON c.id = p.transfer_id AND c.account_id = p.account_id
  WHERE CASE WHEN p.isNamed THEN instr(p.body, '"node":"' || ?7 || '"') > 0 ELSE c.node_id = ?7 OR (
    c.node_id NOT IN (SELECT value FROM json_each(?8)) AND ?7 = (
      SELECT value ->> 'nodeId' FROM json_each(c.detail, '$.attempts')
      WHERE value ->> 'nodeId' IN (SELECT value FROM json_each(?8)) ORDER BY key DESC LIMIT 1)) END
  ORDER BY p.at DESC, p.transfer_id DESC LIMIT ?9`

interface Row extends Omit<Earning, 'chargedNanos' | 'earnedNanos'> {
  readonly model: ModelId
  readonly chargedNanos: number
  readonly earnedNanos: number
}

const toEarning = ({ chargedNanos, earnedNanos, at, ...row }: Row): Earning => ({
  ...row,
  at: instant(at),
  chargedNanos: nanos(fromSqlInteger(chargedNanos)),
  earnedNanos: nanos(fromSqlInteger(earnedNanos)),
})

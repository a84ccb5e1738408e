// What verification reads of the books, for many accounts in one statement each: how an account stands there, a run of its lines with all that
// belongs to them, and both sides of credits. Everything is a snapshot of one statement, so nothing moves between two halves of a comparison.
import { z } from 'zod'
import { isAccountId, type AccountId } from '../../../protocol/units.ts'
import type { BookedLine } from './book-check.ts'
import { LEDGER } from '../limits/limits.ts'

/** How one account stands in its book. */
export interface AccountStand {
  readonly seq: number
  /** null: the line of the cursor is not there */
  readonly hash: string | null
  /** the rest is null for a journal too long to add up every day */
  readonly sumNanos: bigint | null
  readonly lines: number | null
  readonly callLines: number | null
  readonly calls: number | null
  /** a line whose legs do not sum to zero; null without one */
  readonly crookedSeq: number | null
  /** charges of its calls, and the same in the hourly sums */
  readonly chargedNanos: bigint | null
  readonly rolledNanos: bigint | null
}

const STANDS = `
  SELECT a.value AS id, coalesce(c.seq, 0) AS seq, l.hash AS hash,
    CASE WHEN ${isShort()} THEN (SELECT CAST(coalesce(sum(delta_nanos), 0) AS TEXT) FROM lines WHERE account_id = a.value) END AS sum,
    CASE WHEN ${isShort()} THEN (SELECT count(*) FROM lines WHERE account_id = a.value) END AS lines,
    CASE WHEN ${isShort()} THEN (SELECT count(*) FROM lines WHERE account_id = a.value AND kind = 'call') END AS callLines,
    CASE WHEN ${isShort()} THEN (SELECT count(*) FROM calls WHERE account_id = a.value) END AS calls,
    CASE WHEN ${isShort()} THEN (SELECT seq FROM legs WHERE account_id = a.value GROUP BY seq HAVING sum(amount_nanos) <> 0 LIMIT 1) END AS crooked,
    CASE WHEN ${isShort()} THEN (SELECT CAST(coalesce(sum(charge_nanos), 0) AS TEXT) FROM calls WHERE account_id = a.value) END AS charged,
    CASE WHEN ${isShort()} THEN (SELECT CAST(coalesce(sum(charge_nanos), 0) AS TEXT) FROM rollups_hour WHERE account_id = a.value) END AS rolled
  FROM json_each(?1) AS a LEFT JOIN cursors AS c ON c.account_id = a.value
    LEFT JOIN lines AS l ON l.account_id = a.value AND l.seq = c.seq`

function isShort(): string {
  return 'coalesce(c.seq, 0) <= ?2'
}

const StandRow = z.object({
  id: z.string(),
  seq: z.number(),
  hash: z.string().nullable(),
  sum: z.string().nullable(),
  lines: z.number().nullable(),
  callLines: z.number().nullable(),
  calls: z.number().nullable(),
  crooked: z.number().nullable(),
  charged: z.string().nullable(),
  rolled: z.string().nullable(),
})

/** At most LEDGER.auditLines after each `after`. */
const WINDOWS = `
  SELECT l.account_id AS id, l.seq AS seq, l.transfer_id AS transferId, l.kind AS kind, l.delta_nanos AS deltaNanos,
    l.prev_hash AS prevHash, l.hash AS hash, l.body AS body, l.at AS at,
    (SELECT json_group_array(json_array(g.transfer_id, g.party, g.role, g.amount_nanos, g.at))
      FROM (SELECT * FROM legs WHERE account_id = l.account_id AND seq = l.seq ORDER BY leg) AS g) AS legs,
    CASE WHEN l.kind = 'call' THEN (SELECT json_array(k.key_id, k.model_id, k.node_id, k.outcome, k.error_code, k.input_tokens,
      k.output_tokens, k.hold_nanos, k.charge_nanos, k.tensor_bytes) FROM calls AS k WHERE k.id = l.transfer_id AND k.account_id = l.account_id) END AS call
  FROM json_each(?1) AS w JOIN lines AS l
    ON l.account_id = w.value ->> 0 AND l.seq > (w.value ->> 1) AND l.seq <= (w.value ->> 1) + ?2
  ORDER BY l.account_id, l.seq`

const cells = z.string().transform((text): unknown => JSON.parse(text))
const Cell = z.union([z.string(), z.number(), z.null()])
const WindowRow = z.object({
  id: z.string(),
  seq: z.number(),
  transferId: z.string(),
  kind: z.string(),
  deltaNanos: z.number(),
  prevHash: z.string(),
  hash: z.string(),
  body: z.string(),
  at: z.number(),
  legs: cells.pipe(z.array(z.array(z.union([z.string(), z.number()])))),
  call: cells.pipe(z.array(Cell)).nullable(),
})

/** Where a run of lines begins: after this one. */
export interface WindowStart {
  readonly accountId: AccountId
  readonly after: number
}

export function createVerificationBook(database: D1Database) {
  return {
    async stands(ids: readonly AccountId[]): Promise<Map<AccountId, AccountStand>> {
      const { results } = await database.prepare(STANDS).bind(JSON.stringify(ids), LEDGER.sumLinesMax).all()
      return new Map(results.flatMap((row) => standOf(StandRow.parse(row))))
    },

    async windows(starts: readonly WindowStart[]): Promise<Map<AccountId, BookedLine[]>> {
      const windows = JSON.stringify(starts.map(({ accountId, after }) => [accountId, after]))
      const { results } = await database.prepare(WINDOWS).bind(windows, LEDGER.auditLines).all()
      const found = new Map<AccountId, BookedLine[]>()
      for (const { id, ...line } of results.map((row) => WindowRow.parse(row)))
        if (isAccountId(id)) found.set(id, [...(found.get(id) ?? []), line])
      return found
    },

    /** Every line's delta of one span, by what it must consist of; the total is zero when no nano appeared or vanished. */
    async conservation(from: number, before: number): Promise<bigint> {
      const row = await database.prepare(CONSERVATION).bind(from, before).first<{ total: string }>()
      return BigInt(row?.total ?? '0')
    },
  }
}

function standOf({ id, hash, ...row }: z.infer<typeof StandRow>): [AccountId, AccountStand][] {
  if (!isAccountId(id)) return []
  const big = (text: string | null) => (text === null ? null : BigInt(text))
  const { seq, lines, callLines, calls } = row
  const sums = { sumNanos: big(row.sum), chargedNanos: big(row.charged), rolledNanos: big(row.rolled) }
  return [[id, { seq, hash, lines, callLines, calls, crookedSeq: row.crooked, ...sums }]]
}

/**
 * Deltas + house + what lines owe to others − credits that arrived. A line's delta is its own legs and its credit, and its legs sum to zero,
 * so this is zero for every set of whole lines; each is written whole, so late ones do no harm.
 */
const CONSERVATION = `
  WITH span AS (
    SELECT account_id, seq, delta_nanos, CASE kind WHEN 'credit' THEN delta_nanos ELSE 0 END AS credited FROM lines
    WHERE kind IN ('call', 'grant', 'code', 'faucet', 'topup', 'audit', 'credit', 'refund', 'clawback', 'chargeback', 'withdrawal',
      'withdrawal_return', 'freeze', 'unfreeze', 'receipt') AND at >= ?1 AND at < ?2
  )
  SELECT CAST((SELECT coalesce(sum(delta_nanos - credited), 0) FROM span) + coalesce(sum(g.amount_nanos), 0) AS TEXT) AS total
  FROM span JOIN legs AS g ON g.account_id = span.account_id AND g.seq = span.seq
  WHERE g.party <> g.account_id`

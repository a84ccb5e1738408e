// What the market's audits are told of the book: which offers are called at all, how often since a time, and what callers paid. Sums and times alone, nothing of whose calls they
// were. All books together, some hundred milliseconds late.
import {
  instant,
  isModelId,
  isNodeId,
  nanos,
  type Instant,
  type ModelId,
  type Nanos,
  type NodeId,
} from '../../../protocol/units.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

export interface CalledOffer {
  readonly nodeId: NodeId
  readonly modelId: ModelId
}

export interface CallsSince {
  /** that ended since, at most {@link COUNTED_MAX} of each book */
  readonly calls: number
  /** that began in the last minute */
  readonly lastMinute: number
}

/** Nobody is told of more: an offer is audited long before. */
export const COUNTED_MAX = 2_000

export function createAuditTraffic(books: readonly D1Database[]) {
  return {
    /** Offers that served a call in this clock hour or the one before. */
    async called(now: Instant): Promise<CalledOffer[]> {
      const from = Math.floor(now / HOUR_MS) * HOUR_MS - HOUR_MS
      const read = await Promise.all(books.map((book) => book.prepare(CALLED).bind(from).all<CalledRow>()))
      const rows = read.flatMap(({ results }) => results)
      const known = new Map(rows.map((row) => [`${row.nodeId} ${row.modelId}`, row]))
      return [...known.values()].flatMap(({ nodeId, modelId }) =>
        isNodeId(nodeId) && isModelId(modelId) ? [{ nodeId, modelId }] : [],
      )
    },

    /** One entry for each offer, in their order. */
    async callsSince(
      offers: readonly (CalledOffer & { readonly since: Instant })[],
      now: Instant,
    ): Promise<CallsSince[]> {
      const asked = JSON.stringify(offers.map(({ nodeId, modelId, since }) => [nodeId, modelId, since]))
      const read = await Promise.all(
        books.map((book) =>
          book
            .prepare(SINCE)
            .bind(asked, now - MINUTE_MS)
            .all<SinceRow>(),
        ),
      )
      const rows = read.flatMap(({ results }) => results)
      return offers.map((_, i) => {
        const own = rows.filter(({ at }) => at === i)
        const sum = (of: (row: SinceRow) => number) => own.reduce((all, row) => all + of(row), 0)
        return { calls: sum(({ calls }) => calls), lastMinute: sum(({ lastMinute }) => lastMinute) }
      })
    },

    /** When its last calls began that have ended, newest first. */
    async lastStarts({ nodeId, modelId }: CalledOffer, rows: number): Promise<Instant[]> {
      const read = await Promise.all(
        books.map((book) => book.prepare(LAST).bind(nodeId, modelId, rows).all<{ at: number }>()),
      )
      const all = read.flatMap(({ results }) => results.map(({ at }) => at))
      return all
        .sort((a, b) => b - a)
        .slice(0, rows)
        .map(instant)
    },

    /** What callers were charged in the clock hours from `from` on. */
    async revenueSince(from: Instant): Promise<Nanos> {
      const hour = Math.floor(from / HOUR_MS) * HOUR_MS
      const read = await Promise.all(books.map((book) => book.prepare(REVENUE).bind(hour).first<{ sum: string }>()))
      return nanos(read.reduce((sum, row) => sum + BigInt(row?.sum ?? '0'), 0n))
    },
  }
}

const CALLED = `SELECT DISTINCT node_id AS nodeId, model_id AS modelId FROM rollups_hour WHERE hour >= ? AND node_id <> ''`

/** By the node's index: a node is audited every hundred calls, so there are few of them since. */
const SINCE = `
  SELECT asked.key AS at, count(*) AS calls, sum(started_at > ?2) AS lastMinute
  FROM json_each(?1) AS asked
  JOIN calls ON calls.rowid IN (
    SELECT rowid FROM calls AS own WHERE own.node_id = json_extract(asked.value, '$[0]')
      AND own.started_at > json_extract(asked.value, '$[2]') AND own.model_id = json_extract(asked.value, '$[1]')
    ORDER BY own.started_at DESC LIMIT ${COUNTED_MAX})
  GROUP BY asked.key`

const LAST = `SELECT started_at AS at FROM calls WHERE node_id = ? AND model_id = ? ORDER BY started_at DESC LIMIT ?`

const REVENUE = `SELECT CAST(coalesce(sum(charge_nanos), 0) AS TEXT) AS sum FROM rollups_hour WHERE hour >= ?`

interface CalledRow {
  readonly nodeId: string
  readonly modelId: string
}
interface SinceRow {
  readonly at: number
  readonly calls: number
  readonly lastMinute: number
}

// Sums of what nodes did, over all books. Days and months are read of the hourly sums, in whole clock hours with the one that runs; the last hour is read
// of the calls themselves, since the clock hour is empty when it has just begun: of the calls that this node ended. What it earned by a part of a call that
// another node finished stands in the day and the month alone. What is summed is what the books have: some hundred milliseconds late.
import type { Traffic } from '../../../protocol/operator.ts'
import { fromUsd, instant, nanos, toUsd, type Instant, type NodeId } from '../../../protocol/units.ts'

const HOUR_MS = 3_600_000
const DAY_HOURS = 24
const MONTH_HOURS = 30 * DAY_HOURS
/** ms before its end that a call may have begun and still be found: far longer than any lasts */
const CALL_MS = HOUR_MS

export interface NodeTraffic {
  /** the last 24 and the last 720 clock hours, the running one among them */
  readonly day: Traffic
  readonly month: Traffic
  /** null: never */
  readonly lastCallAt: Instant | null
}

/** Of many nodes at once: one entry for each. */
export function createTrafficOf(books: readonly D1Database[]) {
  return async (nodeIds: readonly NodeId[], now: Instant): Promise<ReadonlyMap<NodeId, NodeTraffic>> => {
    const ids = JSON.stringify(nodeIds)
    const thisHour = Math.floor(now / HOUR_MS) * HOUR_MS
    const [dayFrom, monthFrom] = [DAY_HOURS, MONTH_HOURS].map((hours) => thisHour - (hours - 1) * HOUR_MS)
    const read = await Promise.all(
      books.map((book) =>
        book.batch<Row>([book.prepare(ROLLUPS).bind(ids, monthFrom, dayFrom), book.prepare(LAST_CALLS).bind(ids)]),
      ),
    )
    const sums = read.flatMap(([rollups]) => rollups?.results ?? [])
    const last = read.flatMap(([, calls]) => calls?.results ?? [])
    return new Map(
      nodeIds.map((id) => {
        const own = sums.filter(({ nodeId }) => nodeId === id)
        const ends = last.flatMap(({ nodeId, lastAt }) => (nodeId === id && lastAt !== null ? [lastAt] : []))
        const day = toTraffic(own.filter(({ isDay }) => isDay === 1))
        return [id, { day, month: toTraffic(own), lastCallAt: ends.length > 0 ? instant(Math.max(...ends)) : null }]
      }),
    )
  }
}

/** Of one node, with its last 60 minutes. */
export function createTraffic(books: readonly D1Database[]) {
  const trafficOf = createTrafficOf(books)
  return async (nodeId: NodeId, now: Instant): Promise<NodeTraffic & { readonly hour: Traffic }> => {
    const since = now - HOUR_MS
    const [of, hours] = await Promise.all([
      trafficOf([nodeId], now),
      Promise.all(
        books.map((book) =>
          book
            .prepare(LAST_HOUR)
            .bind(nodeId, since, since - CALL_MS)
            .all<Row>(),
        ),
      ),
    ])
    const { day, month, lastCallAt = null } = of.get(nodeId) ?? { day: NOTHING, month: NOTHING }
    return { hour: toTraffic(hours.flatMap(({ results }) => results)), day, month, lastCallAt }
  }
}

/** All of them together. */
export function sumTraffic(all: readonly Traffic[]): Traffic {
  return toTraffic(all.map(({ earned, ...counts }) => ({ ...counts, earnedNanos: String(fromUsd(earned)) })))
}

const ROLLUPS = `
  SELECT node_id AS nodeId, hour >= ?3 AS isDay, sum(calls) AS calls, sum(errors) AS errors, sum(input_tokens) AS inputTokens,
    sum(output_tokens) AS outputTokens, sum(tensor_bytes) AS tensorBytes, CAST(sum(operator_nanos) AS TEXT) AS earnedNanos
  FROM rollups_hour WHERE node_id IN (SELECT value FROM json_each(?1)) AND hour >= ?2 GROUP BY 1, 2`

const LAST_CALLS = `
  SELECT value AS nodeId, (SELECT ended_at FROM calls WHERE node_id = value ORDER BY started_at DESC LIMIT 1) AS lastAt
  FROM json_each(?1)`

const LAST_HOUR = `
  SELECT count(*) AS calls, coalesce(sum(outcome IN ('failed', 'expired')), 0) AS errors,
    coalesce(sum(input_tokens), 0) AS inputTokens, coalesce(sum(output_tokens), 0) AS outputTokens,
    coalesce(sum(tensor_bytes), 0) AS tensorBytes, CAST(coalesce(sum((SELECT sum(g.amount_nanos) FROM legs AS g
      LEFT JOIN lines AS n ON n.account_id = g.account_id AND n.seq = g.seq
      WHERE g.transfer_id = calls.id AND g.account_id = calls.account_id AND g.role = 'operator'
        AND (coalesce(instr(n.body, '"node":"'), 0) = 0 OR n.body ->> ('$.legs[' || g.leg || '].node') = ?1))), 0) AS TEXT) AS earnedNanos
  FROM calls WHERE node_id = ?1 AND ended_at > ?2 AND started_at > ?3`

interface Sums extends Omit<Traffic, 'earned'> {
  readonly earnedNanos: string
}
interface Row extends Sums {
  readonly nodeId: string
  readonly isDay: number
  readonly lastAt: number | null
}

function toTraffic(rows: readonly Sums[]): Traffic {
  const sum = (of: (row: Sums) => number) => rows.reduce((all, row) => all + of(row), 0)
  return {
    calls: sum(({ calls }) => calls),
    errors: sum(({ errors }) => errors),
    inputTokens: sum(({ inputTokens }) => inputTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
    tensorBytes: sum(({ tensorBytes }) => tensorBytes),
    earned: toUsd(nanos(rows.reduce((all, { earnedNanos }) => all + BigInt(earnedNanos), 0n))),
  }
}

const NOTHING = toTraffic([])

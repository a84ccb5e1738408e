// The SQL of the book's sums beyond the hourly ones: totals, totals of accounts, latencies. What append adds above the account's cursor, and what a recount
// writes of a whole day from the hourly sums and the calls, is one statement for each table, and gives the same rows; only the source differs.
import { ACCOUNT_TOTALS, atSql, cutsSql, keptSql, LATENCIES, TOTALS } from './cuts.ts'
import { BUCKETS_PER_OCTAVE } from './latency.ts'

/** What is summed, as every table of sums names it. */
export const SUM_COLUMNS = [
  'calls',
  'errors',
  'input_tokens',
  'output_tokens',
  'tensor_bytes',
  'charge_nanos',
  'operator_nanos',
  'author_nanos',
  'house_nanos',
] as const
const LIST = SUM_COLUMNS.join(', ')

/** Rows of append: `[seq, hour, key, model, node, calls, errors, input, output, charge, operator, author, house, bytes]` as JSON; ?2: the account. */
const FRESH = `fresh AS (
    SELECT value ->> 1 AS hour, ?2 AS account_id, value ->> 2 AS key_id, value ->> 3 AS model_id, value ->> 4 AS node_id, value ->> 5 AS calls,
      value ->> 6 AS errors, value ->> 7 AS input_tokens, value ->> 8 AS output_tokens, value ->> 13 AS tensor_bytes,
      value ->> 9 AS charge_nanos, value ->> 10 AS operator_nanos, value ->> 11 AS author_nanos, value ->> 12 AS house_nanos
    FROM json_each(?1) WHERE value ->> 0 > coalesce((SELECT seq FROM cursors WHERE account_id = ?2), 0))`

/** `[seq, hour, model, node, bucket]` */
const FRESH_LATENCIES = `fresh AS (
    SELECT value ->> 1 AS hour, value ->> 2 AS model_id, value ->> 3 AS node_id, value ->> 4 AS bucket, 1 AS n
    FROM json_each(?1) WHERE value ->> 0 > coalesce((SELECT seq FROM cursors WHERE account_id = ?2), 0))`

const add = (column: string) => `${column} = ${column} + excluded.${column}`
const set = (column: string) => `${column} = excluded.${column}`

const totalsSql = (fresh: string, merge: (column: string) => string) => `
  WITH ${cutsSql(TOTALS)}, ${fresh}
  INSERT INTO totals (step, cut, model_id, node_id, at, ${LIST})
  SELECT c.step, c.cut, ${keptSql('c.cut', 'model', 'f.model_id')}, ${keptSql('c.cut', 'node', 'f.node_id')}, ${atSql('c.step', 'f.hour')},
    ${SUM_COLUMNS.map((column) => `sum(f.${column})`).join(', ')}
  FROM fresh AS f CROSS JOIN cuts AS c WHERE true GROUP BY 1, 2, 3, 4, 5
  ON CONFLICT (step, cut, model_id, node_id, at) DO UPDATE SET ${SUM_COLUMNS.map(merge).join(', ')}`

const accountTotalsSql = (fresh: string, merge: (column: string) => string) => `
  WITH ${cutsSql(ACCOUNT_TOTALS)}, ${fresh}
  INSERT INTO account_totals (account_id, step, cut, at, key_id, model_id, node_id, ${LIST})
  SELECT f.account_id, c.step, c.cut, ${atSql('c.step', 'f.hour')}, ${keptSql('c.cut', 'key', 'f.key_id')},
    ${keptSql('c.cut', 'model', 'f.model_id')}, ${keptSql('c.cut', 'node', 'f.node_id')},
    ${SUM_COLUMNS.map((column) => `sum(f.${column})`).join(', ')}
  FROM fresh AS f CROSS JOIN cuts AS c WHERE true GROUP BY 1, 2, 3, 4, 5, 6, 7
  ON CONFLICT (account_id, step, cut, at, key_id, model_id, node_id) DO UPDATE SET ${SUM_COLUMNS.map(merge).join(', ')}`

/** Both counts as one: a bucket of either has the sum of both. Sorted, so that equal counts are equal text. */
const MERGED = `(SELECT json_group_object(key, n ORDER BY key) FROM (
    SELECT key, sum(value) AS n FROM (SELECT key, value FROM json_each(latencies.counts) UNION ALL SELECT key, value FROM json_each(excluded.counts))
    GROUP BY key))`

const latenciesSql = (fresh: string, merged: string) => `
  WITH ${cutsSql(LATENCIES)}, ${fresh}
  INSERT INTO latencies (step, cut, model_id, node_id, at, counts)
  SELECT step, cut, model_id, node_id, at, json_group_object(bucket, n ORDER BY bucket) FROM (
    SELECT c.step AS step, c.cut AS cut, ${keptSql('c.cut', 'model', 'f.model_id')} AS model_id,
      ${keptSql('c.cut', 'node', 'f.node_id')} AS node_id, ${atSql('c.step', 'f.hour')} AS at, f.bucket AS bucket, sum(f.n) AS n
    FROM fresh AS f CROSS JOIN cuts AS c GROUP BY 1, 2, 3, 4, 5, 6) WHERE true
  GROUP BY 1, 2, 3, 4, 5
  ON CONFLICT (step, cut, model_id, node_id, at) DO UPDATE SET counts = ${merged}`

const ADD_TOTALS = totalsSql(FRESH, add)
const ADD_ACCOUNT_TOTALS = accountTotalsSql(FRESH, add)
const ADD_LATENCIES = latenciesSql(FRESH_LATENCIES, MERGED)

export interface Statement {
  readonly sql: string
  readonly values: readonly (string | number)[]
}

/** Of append, before its cursor moves. @param rollups as {@link FRESH} says @param times as {@link FRESH_LATENCIES} says */
export const addTotalsSql = (accountId: string, rollups: string, times: string): Statement[] => [
  { sql: ADD_TOTALS, values: [rollups, accountId] },
  { sql: ADD_ACCOUNT_TOTALS, values: [rollups, accountId] },
  { sql: ADD_LATENCIES, values: [times, accountId] },
]

/** The hourly sums from ?1 on, up to ?2. */
const BOOKED = `fresh AS (SELECT * FROM rollups_hour WHERE hour >= ?1 AND hour < ?2)`
const bucketSql = (ms: string, measure: string) =>
  `'${measure}' || CASE WHEN ${ms} < 1 THEN 0 ELSE 1 + CAST(log2(${ms}) * ${BUCKETS_PER_OCTAVE} AS INTEGER) END`

/** By the line's hour, as append has it: a call's own times are another clock's. */
const BOOKED_LATENCIES = `timed AS (
    SELECT l.at AS hour, k.model_id AS model_id, coalesce(k.node_id, '') AS node_id, k.outcome AS outcome,
      k.first_token_at - k.started_at AS first_ms, k.ended_at - k.started_at AS duration_ms
    FROM lines AS l JOIN calls AS k ON k.id = l.transfer_id AND k.account_id = l.account_id
    WHERE l.kind = 'call' AND l.at >= ?1 AND l.at < ?2),
  fresh AS (
    SELECT hour - hour % 3600000 AS hour, model_id, node_id, ${bucketSql('first_ms', 'f')} AS bucket, count(*) AS n FROM timed
      WHERE first_ms IS NOT NULL GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT hour - hour % 3600000 AS hour, model_id, node_id, ${bucketSql('duration_ms', 'd')} AS bucket, count(*) AS n FROM timed
      WHERE outcome = 'complete' GROUP BY 1, 2, 3, 4)`

/** Hours and days of the span; months of its own rows only, so {@link SET_MONTHS} sums them of their days. */
const ofDays = (sql: string) => sql.replace(/, \('month', \d\)/g, '')
const SET_TOTALS = ofDays(totalsSql(BOOKED, set))
const SET_ACCOUNT_TOTALS = ofDays(accountTotalsSql(BOOKED, set))
const SET_LATENCIES = latenciesSql(BOOKED_LATENCIES, 'excluded.counts')

const SUMS = SUM_COLUMNS.map((column) => `sum(${column})`).join(', ')
/** ?1: the day, ?2: its month's start, ?3: the next one's. */
const SET_MONTHS = `
  INSERT INTO totals (step, cut, model_id, node_id, at, ${LIST})
  SELECT 'month', d.cut, d.model_id, d.node_id, ?2, ${SUM_COLUMNS.map((column) => `sum(d.${column})`).join(', ')}
  FROM (SELECT DISTINCT model_id, '' AS node_id, 1 AS cut FROM rollups_hour WHERE hour >= ?1 AND hour < ?1 + 86400000
    UNION SELECT DISTINCT '', node_id, 2 FROM rollups_hour WHERE hour >= ?1 AND hour < ?1 + 86400000) AS own
  JOIN totals AS d ON d.step = 'day' AND d.cut = own.cut AND d.model_id = own.model_id AND d.node_id = own.node_id AND d.at >= ?2 AND d.at < ?3
  GROUP BY d.cut, d.model_id, d.node_id
  ON CONFLICT (step, cut, model_id, node_id, at) DO UPDATE SET ${SUM_COLUMNS.map(set).join(', ')}`
const SET_ACCOUNT_MONTHS = `
  INSERT INTO account_totals (account_id, step, cut, at, key_id, model_id, node_id, ${LIST})
  SELECT account_id, 'month', 0, ?2, '', '', '', ${SUMS}
  FROM account_totals WHERE step = 'day' AND cut = 0 AND at >= ?2 AND at < ?3
    AND account_id IN (SELECT account_id FROM rollups_hour WHERE hour >= ?1 AND hour < ?1 + 86400000)
  GROUP BY account_id
  ON CONFLICT (account_id, step, cut, at, key_id, model_id, node_id) DO UPDATE SET ${SUM_COLUMNS.map(set).join(', ')}`

/** Sums one day anew, of all accounts. @param month its month: start and end, ms */
export function setTotalsSql(day: number, month: { readonly from: number; readonly to: number }): Statement[] {
  const span = [day, day + 86_400_000]
  const ofMonth = [day, month.from, month.to]
  return [
    { sql: SET_TOTALS, values: span },
    { sql: SET_ACCOUNT_TOTALS, values: span },
    { sql: SET_LATENCIES, values: span },
    { sql: SET_MONTHS, values: ofMonth },
    { sql: SET_ACCOUNT_MONTHS, values: ofMonth },
  ]
}

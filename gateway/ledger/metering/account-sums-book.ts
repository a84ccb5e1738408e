// What the books say of single accounts: what one spends, and who spends most. An account stands in one book, so its own sums are read there alone.
import { ACCOUNT_TOTALS, cutOf, type Dimension } from './cuts.ts'
import { DAY_MS, spansOf, type Range } from './ranges.ts'
import { byCharge, byTime, merged, SUMMED, sumsOf, type Sums, type SumsRow } from './sums.ts'

export type Filters = { readonly [dimension in Dimension]?: string | undefined }

interface PointRow extends SumsRow {
  readonly at: number
}
interface GroupRow extends SumsRow {
  readonly id: string
}

const COLUMN: Readonly<Record<Dimension, string>> = { model: 'model_id', node: 'node_id', key: 'key_id' }
const DIMENSIONS = ['key', 'model', 'node'] as const

/** Points that have calls, in order. */
export async function spendPoints(
  book: D1Database,
  accountId: string,
  range: Range,
  filters: Filters,
): Promise<[number, Sums][]> {
  const { query, values } = spendQuery(range.step, filters, null)
  const { results } = await book
    .prepare(query)
    .bind(accountId, range.from, range.to, ...values)
    .all<PointRow>()
  return byTime(new Map(results.map((row) => [row.at, sumsOf(row)])))
}

/** By model, key or node, the largest charge first, at most `rows`. */
export async function spendGroups(
  book: D1Database,
  accountId: string,
  range: Range,
  filters: Filters,
  by: Dimension,
  rows: number,
): Promise<[string, Sums][]> {
  const asked = spansOf(range, false).map((span) => {
    const { query, values } = spendQuery(span.step === 'hour' ? 'hour' : 'day', filters, by)
    return book.prepare(query).bind(accountId, span.from, span.to, ...values)
  })
  const read = await book.batch<GroupRow>(asked)
  const found = read.flatMap(({ results }) => results).map((row) => ({ id: row.id, ...sumsOf(row) }))
  return byCharge(
    merged(found, ({ id }) => id),
    rows,
  )
}

/** ?1: the account, ?2 and ?3: from and to, then the filters. Its totals are asked where they are kept, its hourly sums else. */
function spendQuery(step: Range['step'], filters: Filters, by: Dimension | null): { query: string; values: string[] } {
  const narrowed = DIMENSIONS.filter((dimension) => filters[dimension] !== undefined)
  const kept = DIMENSIONS.filter((dimension) => narrowed.includes(dimension) || dimension === by)
  const isKept = ACCOUNT_TOTALS.some(([keptStep, cut]) => keptStep === step && cut === cutOf(kept))
  const hourly = step === 'day' ? `hour - hour % ${DAY_MS}` : 'hour'
  const [table, time, at] = isKept ? ['account_totals', 'at', 'at'] : ['rollups_hour', 'hour', hourly]
  const where = [
    'account_id = ?1',
    ...(isKept ? [`step = '${step}'`, `cut = ${cutOf(kept)}`] : []),
    `${time} >= ?2 AND ${time} < ?3`,
    ...narrowed.map((dimension, index) => `${COLUMN[dimension]} = ?${index + 4}`),
  ].join(' AND ')
  const key = by === null ? `${at} AS at` : `${COLUMN[by]} AS id`
  return {
    query: `SELECT ${key}, ${SUMMED} FROM ${table} WHERE ${where} GROUP BY 1`,
    values: narrowed.map((dimension) => filters[dimension] ?? ''),
  }
}

/** Accounts that were charged most, over all books. */
export async function topAccounts(
  books: readonly D1Database[],
  range: Range,
  limit: number,
): Promise<[string, Sums][]> {
  const spans = JSON.stringify(spansOf(range).map(({ step, from, to }) => [step, from, to]))
  const read = await Promise.all(books.map((book) => book.prepare(TOP).bind(spans, limit).all<GroupRow>()))
  const found = new Map(read.flatMap(({ results }) => results.map((row) => [row.id, sumsOf(row)] as const)))
  return byCharge(found, limit)
}

/** Who they are is found in an index by time that has the charges; only of them the rest is read. */
const TOP = `
  WITH largest AS (
    SELECT t.account_id AS id, sum(t.charge_nanos) AS charged FROM json_each(?1) AS span CROSS JOIN account_totals AS t
    WHERE t.cut = 0 AND t.step = span.value ->> 0 AND t.at >= span.value ->> 1 AND t.at < span.value ->> 2
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?2)
  SELECT t.account_id AS id, ${SUMMED} FROM largest CROSS JOIN json_each(?1) AS span CROSS JOIN account_totals AS t
  WHERE t.account_id = largest.id AND t.cut = 0 AND t.step = span.value ->> 0 AND t.at >= span.value ->> 1 AND t.at < span.value ->> 2
  GROUP BY 1`

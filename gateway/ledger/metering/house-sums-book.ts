// What the books say of everybody's calls together: over time, by model and by node, and how long calls took. Every book is asked, and what they say is
// added up (sums.ts). Each question goes down one key of the tables that were summed for it, so it reads about as many rows as it answers.
import { CUT, cutOf } from './cuts.ts'
import { countsOf, latencyOf, type Counts, type CountsRow } from './latency.ts'
import { spansOf, type Range } from './ranges.ts'
import { byCharge, byTime, KEPT, merged, SUMMED, sumsOf, type Sums, type SumsRow } from './sums.ts'

/** '' is a node as well: calls for which none was tried */
export interface Narrowed {
  readonly model?: string | undefined
  readonly node?: string | undefined
}

export type HouseSums = ReturnType<typeof createHouseSums>

export function createHouseSums(books: readonly D1Database[]) {
  /** One query of every book; the rows of all of them. */
  async function ask<Row>(query: string, ...values: readonly (string | number)[]): Promise<Row[]> {
    const read = await Promise.all(
      books.map((book) =>
        book
          .prepare(query)
          .bind(...values)
          .all<Row>(),
      ),
    )
    return read.flatMap(({ results }) => results)
  }

  return {
    /** Points that have calls, in order. */
    async points({ step, from, to }: Range, narrowed: Narrowed = {}): Promise<[number, Sums][]> {
      const rows = await ask<PointRow>(POINTS, step, ...place(narrowed), from, to)
      return byTime(merged(rows.map(pointOf), ({ at }) => at))
    },

    /** By the point. */
    async latencies({ step, from, to }: Range, narrowed: Narrowed = {}): Promise<Map<number, Counts>> {
      return countsByTime(await ask<LatencyRow>(LATENCIES, step, ...place(narrowed), from, to))
    },

    /** Both, with one request of each book. */
    async overTime({ step, from, to }: Range, narrowed: Narrowed = {}): Promise<OverTime> {
      const values = [step, ...place(narrowed), from, to] as const
      const read = await Promise.all(
        books.map((book) => book.batch([POINTS, LATENCIES].map((query) => book.prepare(query).bind(...values)))),
      )
      const rows = read.flatMap(([points]) => (points?.results ?? []) as PointRow[]) // as POINTS selects them
      const times = read.flatMap(([, latencies]) => (latencies?.results ?? []) as LatencyRow[]) // as LATENCIES selects them
      return { points: byTime(merged(rows.map(pointOf), ({ at }) => at)), latencies: countsByTime(times) }
    },

    /** Of some models together. */
    async pointsOfModels({ step, from, to }: Range, models: readonly string[]): Promise<[number, Sums][]> {
      const rows = await ask<PointRow>(POINTS_OF_MODELS, JSON.stringify(models), step, from, to)
      return byTime(merged(rows.map(pointOf), ({ at }) => at))
    },

    /** Each of some models, the largest charge first. */
    async eachModel(range: Range, models: readonly string[]): Promise<[string, Sums][]> {
      const rows = await ask<GroupRow>(EACH_MODEL, JSON.stringify(models), spansText(range))
      return byCharge(groups(rows), models.length)
    },

    /** The largest of all. */
    async top(range: Range, by: 'model' | 'node', limit: number): Promise<[string, Sums][]> {
      const rows = await ask<GroupRow>(by === 'model' ? TOP_MODELS : TOP_NODES, spansText(range))
      return byCharge(groups(rows), limit)
    },
  }
}

export interface OverTime {
  /** points that have calls, in order */
  readonly points: [number, Sums][]
  readonly latencies: ReadonlyMap<number, Counts>
}

export const latencyViews = (counts: Counts) => ({
  firstTokenMs: latencyOf(counts, 'f'),
  durationMs: latencyOf(counts, 'd'),
})

/** cut, model and node of the row that is asked for */
function place({ model, node }: Narrowed): [number, string, string] {
  const cut = cutOf([
    ...(model === undefined ? [] : ['model' as const]),
    ...(node === undefined ? [] : ['node' as const]),
  ])
  return [cut, model ?? '', node ?? '']
}

const spansText = (range: Range): string => JSON.stringify(spansOf(range).map(({ step, from, to }) => [step, from, to]))

interface PointRow extends SumsRow {
  readonly at: number
}
interface GroupRow extends SumsRow {
  readonly id: string
}
interface LatencyRow {
  readonly at: number
  readonly counts: string
}
function countsByTime(rows: readonly LatencyRow[]): Map<number, Counts> {
  const found = new Map<number, CountsRow[]>()
  for (const { at, counts } of rows) {
    const row = JSON.parse(counts) as CountsRow // as append wrote it
    const own = found.get(at)
    if (own) own.push(row)
    else found.set(at, [row])
  }
  return new Map([...found].map(([at, all]) => [at, countsOf(all)]))
}

const pointOf = (row: PointRow) => ({ at: row.at, ...sumsOf(row) })
const groups = (rows: readonly GroupRow[]) =>
  merged(
    rows.map((row) => ({ id: row.id, ...sumsOf(row) })),
    ({ id }) => id,
  )

const POINTS = `
  SELECT at, ${KEPT} FROM totals WHERE step = ?1 AND cut = ?2 AND model_id = ?3 AND node_id = ?4 AND at >= ?5 AND at < ?6`

const POINTS_OF_MODELS = `
  SELECT t.at AS at, ${SUMMED} FROM json_each(?1) AS own CROSS JOIN totals AS t
  WHERE t.step = ?2 AND t.cut = ${CUT.model} AND t.model_id = own.value AND t.node_id = '' AND t.at >= ?3 AND t.at < ?4
  GROUP BY t.at`

const WITHIN = `t.step = span.value ->> 0 AND t.at >= span.value ->> 1 AND t.at < span.value ->> 2`

const EACH_MODEL = `
  SELECT t.model_id AS id, ${SUMMED} FROM json_each(?1) AS own CROSS JOIN json_each(?2) AS span CROSS JOIN totals AS t
  WHERE t.cut = ${CUT.model} AND t.model_id = own.value AND t.node_id = '' AND ${WITHIN}
  GROUP BY 1`

/** Every id that the totals know, one seek each: from one to the next that is larger. Its months name it as soon as it has a call. */
const ids = (column: string, other: string, cut: number): string => `
  ids(id) AS (
    SELECT min(${column}) FROM totals WHERE step = 'month' AND cut = ${cut}
    UNION ALL
    SELECT (SELECT min(${column}) FROM totals WHERE step = 'month' AND cut = ${cut} AND ${other}${column} > ids.id) FROM ids WHERE id IS NOT NULL)`

const TOP_MODELS = `
  WITH RECURSIVE ${ids('model_id', '', CUT.model)}
  SELECT t.model_id AS id, ${SUMMED} FROM ids CROSS JOIN json_each(?1) AS span CROSS JOIN totals AS t
  WHERE t.cut = ${CUT.model} AND t.model_id = ids.id AND t.node_id = '' AND ${WITHIN}
  GROUP BY 1`

const TOP_NODES = `
  WITH RECURSIVE ${ids('node_id', "model_id = '' AND ", CUT.node)}
  SELECT t.node_id AS id, ${SUMMED} FROM ids CROSS JOIN json_each(?1) AS span CROSS JOIN totals AS t
  WHERE t.cut = ${CUT.node} AND t.model_id = '' AND t.node_id = ids.id AND ${WITHIN}
  GROUP BY 1`

const LATENCIES = `
  SELECT at, counts FROM latencies WHERE step = ?1 AND cut = ?2 AND model_id = ?3 AND node_id = ?4 AND at >= ?5 AND at < ?6`

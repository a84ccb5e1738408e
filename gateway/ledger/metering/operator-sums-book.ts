// What the books say of all nodes of one operator: over time, by node and by model. Read of sums by offer, one seek for each offer the operator ever made,
// so that what other operators serve is not read.
import { CUT } from './cuts.ts'
import { spansOf, type Range } from './ranges.ts'
import { byCharge, byTime, merged, SUMMED, sumsOf, type Sums, type SumsRow } from './sums.ts'

/** model and node */
export type OfferOf = readonly [model: string, node: string]

export function createOperatorSums(books: readonly D1Database[]) {
  async function ask<Row>(query: string, ...values: readonly string[]): Promise<Row[]> {
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
    async points({ step, from, to }: Range, offers: readonly OfferOf[]): Promise<[number, Sums][]> {
      const span = JSON.stringify([[step, from, to]])
      const rows = await ask<SumsRow & { at: number }>(POINTS, JSON.stringify(offers), span)
      return byTime(
        merged(
          rows.map((row) => ({ at: row.at, ...sumsOf(row) })),
          ({ at }) => at,
        ),
      )
    },

    /** Each, the largest charge first, at most `rows`. */
    async groups(
      range: Range,
      offers: readonly OfferOf[],
      by: 'model' | 'node',
      rows: number,
    ): Promise<[string, Sums][]> {
      // Months are kept by model and by node, not by offer.
      const spans = JSON.stringify(spansOf(range, false).map(({ step, from, to }) => [step, from, to]))
      const found = await ask<SumsRow & { id: string }>(by === 'model' ? MODELS : NODES, JSON.stringify(offers), spans)
      return byCharge(
        merged(
          found.map((row) => ({ id: row.id, ...sumsOf(row) })),
          ({ id }) => id,
        ),
        rows,
      )
    },
  }
}

const grouped = (column: string, name: string): string => `
  SELECT t.${column} AS ${name}, ${SUMMED} FROM json_each(?1) AS own CROSS JOIN json_each(?2) AS span CROSS JOIN totals AS t
  WHERE t.step = span.value ->> 0 AND t.cut = ${CUT.offer} AND t.model_id = own.value ->> 0 AND t.node_id = own.value ->> 1
    AND t.at >= span.value ->> 1 AND t.at < span.value ->> 2
  GROUP BY 1`

/** Exported for a look at its plan: the other two differ in what they group by. */
export const POINTS = grouped('at', 'at')
const MODELS = grouped('model_id', 'id')
const NODES = grouped('node_id', 'id')

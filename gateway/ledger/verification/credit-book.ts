// Both sides of credits in the books: what a payer's lines owe to a payee, and whether it arrived there. One statement for many pairs.
import { isAccountId, type AccountId, type Nanos } from '../../../protocol/units.ts'
import { bookAt } from '../../core/book-index.ts'

/** A credit as the payee's line `seq` has it. */
export interface CreditRange {
  readonly payee: AccountId
  readonly seq: number
  readonly payer: AccountId
  readonly fromSeq: number
  readonly toSeq: number
  readonly sumNanos: Nanos
  /** up to where the credit before it went; null: not known */
  readonly earlierTo: number | null
}

/** A line of the payer that owes to the payee. */
export interface Arrival {
  readonly payer: AccountId
  readonly payee: AccountId
  readonly seq: number
  /** ms */
  readonly at: number
}

/** lines of the payee in which the credit before is looked for */
const EARLIER_LINES = 2_000
/** lines of the payer that one credit may span to be added up here; longer ones are rare and judged by their payer's own sums */
const SPAN_MAX = 20_000

/** ms by which a payee's clock may be behind its payer's: the time only keeps the search short, the credit's own lines decide */
const CLOCKS_MS = 86_400_000

const EARLIER = `
  SELECT c.key AS n, (SELECT body ->> '$.credit.toSeq' FROM lines
    WHERE account_id = c.value ->> 0 AND seq < (c.value ->> 1) AND seq >= (c.value ->> 1) - ${EARLIER_LINES} AND kind = 'credit'
      AND json_valid(body) AND body ->> '$.credit.payer' = c.value ->> 2
    ORDER BY seq DESC LIMIT 1) AS earlier
  FROM json_each(?1) AS c`

const OWED = `
  SELECT c.key AS n, coalesce((SELECT seq FROM cursors WHERE account_id = c.value ->> 0), 0) AS cursor,
    (SELECT CAST(coalesce(sum(amount_nanos), 0) AS TEXT) FROM legs WHERE account_id = c.value ->> 0
      AND seq >= (c.value ->> 1) AND seq <= (c.value ->> 2) AND party = c.value ->> 3 AND role IN ('operator', 'author')) AS owed
  FROM json_each(?1) AS c`

/** Credits come in order, so one that covers the line or a later one says that it arrived. */
const MISSING = `
  SELECT c.key AS n, coalesce((SELECT seq FROM cursors WHERE account_id = c.value ->> 1), 0) AS cursor
  FROM json_each(?1) AS c
  WHERE NOT EXISTS (SELECT 1 FROM lines WHERE account_id = c.value ->> 1 AND at >= (c.value ->> 3) AND kind = 'credit'
    AND json_valid(body) AND body ->> '$.credit.payer' = c.value ->> 0 AND body ->> '$.credit.toSeq' >= (c.value ->> 2))`

export function createCreditBook(registry: D1Database, books: readonly D1Database[]) {
  const ask = async <Row>(index: number, query: string, rows: readonly unknown[]): Promise<Row[]> =>
    rows.length === 0 ? [] : (await bookAt(books, index).prepare(query).bind(JSON.stringify(rows)).all<Row>()).results
  return {
    /** In which book each account is written; one that the registry does not know is in the first. */
    async indexes(ids: readonly AccountId[]): Promise<(accountId: AccountId) => number> {
      const { results } = await registry
        .prepare('SELECT id, book FROM accounts WHERE id IN (SELECT value FROM json_each(?1))')
        .bind(JSON.stringify([...new Set(ids)]))
        .all<{ id: string; book: number }>()
      const known = new Map(results.filter(({ id }) => isAccountId(id)).map(({ id, book }) => [id, book]))
      return (accountId) => known.get(accountId) ?? 0
    },

    async withEarlier<T extends CreditRange>(index: number, credits: readonly T[]): Promise<T[]> {
      const unknown = credits.filter(({ earlierTo }) => earlierTo === null)
      const rows = unknown.map(({ payee, seq, payer }) => [payee, seq, payer])
      const found = await ask<{ n: number; earlier: number | null }>(index, EARLIER, rows)
      const earlier = new Map(found.map((row) => [unknown[row.n], row.earlier]))
      return credits.map((credit) => ({ ...credit, earlierTo: credit.earlierTo ?? earlier.get(credit) ?? null }))
    },

    /** What the payer's lines owe since the credit before it. */
    async owed(index: number, credits: readonly CreditRange[]) {
      const short = credits.filter(({ fromSeq, toSeq }) => toSeq - fromSeq < SPAN_MAX)
      const rows = short.map(({ payer, earlierTo, fromSeq, toSeq, payee }) => {
        const since = earlierTo === null || toSeq - earlierTo > SPAN_MAX ? fromSeq : earlierTo + 1
        return [payer, since, toSeq, payee]
      })
      const found = await ask<{ n: number; cursor: number; owed: string }>(index, OWED, rows)
      return found.flatMap(({ n, cursor, owed }) => {
        const credit = short[n]
        return credit ? [{ credit, cursor, owedNanos: BigInt(owed) }] : []
      })
    },

    /** Those of which no credit is to be found at the payee. */
    async missing(index: number, arrivals: readonly Arrival[]) {
      const rows = arrivals.map(({ payer, payee, seq, at }) => [payer, payee, seq, at - CLOCKS_MS])
      const found = await ask<{ n: number; cursor: number }>(index, MISSING, rows)
      return found.flatMap(({ n, cursor }) => {
        const arrival = arrivals[n]
        return arrival ? [{ arrival, cursor }] : []
      })
    },
  }
}

// Statements in the book, each written once: what was said of a month is never said differently.
import { and, desc, eq, lt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { statements } from '../../../db/book-schema.ts'
import { Statement, type SignedStatement } from '../../../protocol/statement.ts'
import type { AccountId, Instant } from '../../../protocol/units.ts'

export interface KeptStatement extends SignedStatement {
  /** ms */
  readonly at: number
}

export function createStatementBook(d1: D1Database) {
  const db = drizzle(d1)
  return {
    /** The last statement of each of these accounts that has one, in one query. */
    async latest(accountIds: readonly AccountId[]): Promise<Map<string, KeptStatement>> {
      const { results } = await d1.prepare(LATEST).bind(JSON.stringify(accountIds)).all<LatestRow>()
      return new Map(results.map((row) => [row.account_id, keptOf(row)]))
    },

    /** The first one written stays. */
    async add({ statement, signature }: SignedStatement, text: string, at: Instant): Promise<void> {
      const { accountId, number, month } = statement
      await db.insert(statements).values({ accountId, number, month, body: text, signature, at }).onConflictDoNothing()
    },

    async find(accountId: AccountId, number: number): Promise<KeptStatement | null> {
      const [row] = await db
        .select()
        .from(statements)
        .where(and(eq(statements.accountId, accountId), eq(statements.number, number)))
      return row ? keptOf(row) : null
    },

    /** Newest first. @param before a number, exclusive */
    async list(accountId: AccountId, before: number | null, rows: number): Promise<KeptStatement[]> {
      const older = before === null ? undefined : lt(statements.number, before)
      const found = await db
        .select()
        .from(statements)
        .where(and(eq(statements.accountId, accountId), older))
        .orderBy(desc(statements.number))
        .limit(rows)
      return found.map(keptOf)
    },
  }
}

interface LatestRow {
  account_id: string
  body: string
  signature: string
  at: number
}

const LATEST = `
  SELECT account_id, body, signature, at FROM statements JOIN (
    SELECT account_id, max(number) AS number FROM statements
    WHERE account_id IN (SELECT value FROM json_each(?1)) GROUP BY account_id
  ) USING (account_id, number)`

const keptOf = ({ body, signature, at }: { body: string; signature: string; at: number }): KeptStatement => ({
  statement: Statement.parse(JSON.parse(body)),
  signature,
  at,
})

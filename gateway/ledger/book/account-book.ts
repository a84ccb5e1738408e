// The registry's list of accounts, as far as the ledger needs it: does this account exist, in which book it is written, and which ones are to
// be looked after now.
import { and, asc, eq, gte, lt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { accounts } from '../../../db/schema.ts'
import { isAccountId, type AccountId } from '../../../protocol/units.ts'
import { bookAt } from '../../core/book-index.ts'

export interface RegisteredAccount {
  readonly id: AccountId
  /** index of its book: 0 is BOOK_0 */
  readonly book: number
}

/** The book of a guard that was opened without one. */
const FIRST_BOOK = 0

export type AccountBook = ReturnType<typeof createAccountBook>

export function createAccountBook(registry: D1Database) {
  const db = drizzle(registry)
  return {
    async exists(accountId: AccountId): Promise<boolean> {
      return (await db.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, accountId))).length > 0
    },
    /** Chosen when the account was made, and never changed. */
    async bookIndex(accountId: AccountId): Promise<number> {
      const [row] = await db.select({ book: accounts.book }).from(accounts).where(eq(accounts.id, accountId))
      return row?.book ?? FIRST_BOOK
    },
    /** Ids from `from` (inclusive) to `before` (exclusive; null: to the end), in order, at most `rows`. */
    async slice(from: string, before: string | null, rows: number): Promise<RegisteredAccount[]> {
      const found = await db
        .select({ id: accounts.id, book: accounts.book })
        .from(accounts)
        .where(and(gte(accounts.id, from), before === null ? undefined : lt(accounts.id, before)))
        .orderBy(asc(accounts.id))
        .limit(rows)
      return found.flatMap(({ id, book }) => (isAccountId(id) ? [{ id, book }] : []))
    },
  }
}

/** The database an account is written in. @throws Error for one this deployment does not have */
export type BookOf = (accountId: AccountId) => Promise<D1Database>

/** One registry read per question. @param databases BOOK_0, BOOK_1, … in order */
export function createBookOf(registry: D1Database, databases: readonly D1Database[]): BookOf {
  const registered = createAccountBook(registry)
  return async (accountId) => bookAt(databases, await registered.bookIndex(accountId))
}

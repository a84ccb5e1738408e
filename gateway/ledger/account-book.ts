// The registry's list of accounts, as far as the ledger needs it: does this account exist, and which ones are to be ticked now.
import { and, asc, eq, gte, lt } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { accounts } from '../../db/schema.ts'
import { isAccountId, type AccountId } from '../../protocol/units.ts'

export function createAccountBook(registry: D1Database) {
  const db = drizzle(registry)
  return {
    async exists(accountId: AccountId): Promise<boolean> {
      return (await db.select({ id: accounts.id }).from(accounts).where(eq(accounts.id, accountId))).length > 0
    },
    /** Ids from `from` (inclusive) to `before` (exclusive; null: to the end), in order, at most `rows`. */
    async slice(from: string, before: string | null, rows: number): Promise<AccountId[]> {
      const found = await db
        .select({ id: accounts.id })
        .from(accounts)
        .where(and(gte(accounts.id, from), before === null ? undefined : lt(accounts.id, before)))
        .orderBy(asc(accounts.id))
        .limit(rows)
      return found.map(({ id }) => id).filter(isAccountId)
    },
  }
}

// Deletes what one account's journal wrote to its book, in one batch, cursor and all: its guard then writes it again from the first line.
// Statements stay: they are documents that were handed out.
import type { AccountId } from '../../../protocol/units.ts'
import { forgetTotals } from '../metering/recount-book.ts'

/** What `append` writes of an account alone. */
const TABLES = ['lines', 'legs', 'calls', 'rollups_hour', 'account_totals', 'cursors'] as const

export async function wipeAccount(book: D1Database, accountId: AccountId): Promise<void> {
  await book.batch([
    ...forgetTotals(book, accountId),
    ...TABLES.map((table) => book.prepare(`DELETE FROM ${table} WHERE account_id = ?`).bind(accountId)),
  ])
}

// The book written again from the guards: a function of the journals, so the result is the same byte for byte. Into a full book it changes
// nothing, into an empty one it writes everything, and where rows are wrong they are deleted first. The guards' alarms do the writing.
import { isAccountId } from '../../../protocol/units.ts'
import { bookAt } from '../../core/book-index.ts'
import { createAccountBook, type RegisteredAccount } from './account-book.ts'
import type { Accounts } from '../account-port.ts'
import { createChecksBook } from '../verification/checks-book.ts'
import { LEDGER } from '../limits/limits.ts'
import { wipeAccount } from './wipe-book.ts'

export interface RebuildNeeds {
  /** the registry */
  readonly db: D1Database
  readonly books: readonly D1Database[]
  readonly accounts: Accounts
}

/** What the last look at the account saw is forgotten first, so that a book that is behind for a while is no finding. */
export async function rebuildAccount(
  { db, books, accounts }: RebuildNeeds,
  { id, book }: RegisteredAccount,
  wipe: boolean,
): Promise<void> {
  await createChecksBook(db).forget(id)
  if (wipe) await wipeAccount(bookAt(books, book), id)
  await accounts(id).reproject()
}

/** The accounts after `cursor`, a bounded number. @returns how many, and where the next ones begin; null after the last */
export async function rebuildNext(needs: RebuildNeeds, cursor: string | null, wipe: boolean) {
  // Ids are compared as text: the first after the cursor begins with it and goes on.
  const from = cursor === null ? '' : `${cursor} `
  const found = await createAccountBook(needs.db).slice(from, null, LEDGER.rebuildMax + 1)
  const accounts = found.slice(0, LEDGER.rebuildMax)
  for (const account of accounts) await rebuildAccount(needs, account, wipe)
  return {
    accounts: accounts.length,
    nextCursor: found.length > accounts.length ? (accounts.at(-1)?.id ?? null) : null,
  }
}

/** Null when there is no such account. */
export async function registeredAccount(db: D1Database, id: string): Promise<RegisteredAccount | null> {
  if (!isAccountId(id)) return null
  const registered = createAccountBook(db)
  return (await registered.exists(id)) ? { id, book: await registered.bookIndex(id) } : null
}

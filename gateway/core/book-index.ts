// Which book a new account is written in. The index is chosen once, when the account is made, kept in the registry and in the account's guard,
// and never computed again: a database that is added later takes new accounts and moves none.
import type { AccountId } from '../../protocol/units.ts'

/** FNV-1a over the id's characters: ids are random, so books fill evenly. @param books how many there are now, at least one */
export function bookIndexOf(accountId: AccountId, books: number): number {
  if (!Number.isInteger(books) || books < 1) throw new RangeError('there is at least one book')
  let hash = 0x811c9dc5
  for (let at = 0; at < accountId.length; at++) hash = Math.imul(hash ^ accountId.charCodeAt(at), 0x01000193) >>> 0
  return hash % books
}

/** BOOK_0, BOOK_1, … in order. @throws Error for one this deployment does not have: an account is never read where it is not written */
export function bookAt<T>(books: readonly T[], index: number): T {
  const book = books[index]
  if (book === undefined) throw new Error(`there is no BOOK_${index}`)
  return book
}

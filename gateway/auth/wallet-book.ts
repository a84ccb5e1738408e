// Accounts and their wallets in the registry. One address belongs to one account for good reasons of money, so every change here is
// one batch whose conditions stand in the statements themselves: two first sign-ins of one wallet end in one account, and of
// two removals at once the last wallet survives.
import { and, count, eq, isNull, notExists, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { accounts, sessions, wallets } from '../../db/schema.ts'
import type { Result } from '../../protocol/errors.ts'
import { isAccountId, type AccountId, type Instant } from '../../protocol/units.ts'
import { bookIndexOf } from '../core/book-index.ts'
import { assert } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Standing } from './roles.ts'
import { standingOf, standingQueries } from './standing-book.ts'

export interface WalletRow {
  readonly address: string
  readonly addedAt: number
}

export interface OwnedAccount {
  readonly accountId: AccountId
  /** index of its book */
  readonly book: number
}

/**
 * The account of a wallet; made with the given id when the wallet has none yet, in one of the books there are now.
 * @param address EIP-55 @param books how many databases the book is split into
 */
export async function accountOf(
  db: DrizzleD1Database,
  address: string,
  newId: AccountId,
  now: Instant,
  books: number,
): Promise<OwnedAccount> {
  const owner = db
    .select({ accountId: accounts.id, book: accounts.book })
    .from(wallets)
    .innerJoin(accounts, eq(accounts.id, wallets.accountId))
    .where(eq(wallets.address, address))
  const [known] = await owner
  if (known) return { ...known, accountId: asAccountId(known.accountId) }
  // The new wallet's row has the new id, so its book is the one written here; whoever lost a race writes nothing and reads the winner's.
  const made = db
    .select({
      id: wallets.accountId,
      createdAt: wallets.addedAt,
      book: sql<number>`${bookIndexOf(newId, books)}`.as('book'),
    })
    .from(wallets)
    .where(eq(wallets.address, address))
  const [, , [row]] = await db.batch([
    db.insert(wallets).values({ address, accountId: newId, addedAt: now }).onConflictDoNothing(),
    db.insert(accounts).select(made).onConflictDoNothing(),
    owner,
  ])
  assert(row, 'the wallet was just written')
  return { ...row, accountId: asAccountId(row.accountId) }
}

/** Idempotent. Refuses a wallet of another account, and more wallets than an account may have. */
export async function addWallet(
  db: DrizzleD1Database,
  accountId: AccountId,
  address: string,
  now: Instant,
): Promise<Result<WalletRow, 'wallet_taken' | 'conflict'>> {
  const owned = db.select({ n: count() }).from(wallets).where(eq(wallets.accountId, accountId))
  const [, [row]] = await db.batch([
    db
      .insert(wallets)
      .select(sql`select ${address}, ${accountId}, ${now} where (${owned}) < ${LIMITS.walletsPerAccount}`)
      .onConflictDoNothing(),
    db.select().from(wallets).where(eq(wallets.address, address)),
  ])
  if (!row)
    return { ok: false, code: 'conflict', detail: `An account has at most ${LIMITS.walletsPerAccount} wallets.` }
  if (row.accountId !== accountId) return { ok: false, code: 'wallet_taken' }
  return { ok: true, value: { address: row.address, addedAt: row.addedAt } }
}

/** Takes the wallet away and ends every session that it signed for. */
export async function removeWallet(
  db: DrizzleD1Database,
  accountId: AccountId,
  address: string,
  now: Instant,
): Promise<Result<WalletRow, 'last_wallet' | 'not_found'>> {
  const owned = db.select({ n: count() }).from(wallets).where(eq(wallets.accountId, accountId))
  const isOurs = and(eq(wallets.address, address), eq(wallets.accountId, accountId))
  const [[removed], , [kept]] = await db.batch([
    db
      .delete(wallets)
      .where(and(isOurs, sql`(${owned}) > 1`))
      .returning(),
    db
      .update(sessions)
      .set({ revokedAt: now })
      .where(
        and(
          eq(sessions.accountId, accountId),
          eq(sessions.address, address),
          isNull(sessions.revokedAt),
          notExists(
            db
              .select({ one: sql`1` })
              .from(wallets)
              .where(isOurs),
          ),
        ),
      ),
    db.select().from(wallets).where(isOurs),
  ])
  if (removed) return { ok: true, value: { address: removed.address, addedAt: removed.addedAt } }
  return { ok: false, code: kept ? 'last_wallet' : 'not_found' }
}

/** Null when there is no such account. */
export async function readAccount(
  db: DrizzleD1Database,
  accountId: AccountId,
): Promise<{ readonly createdAt: number; readonly standing: Standing } | null> {
  const isIt = eq(accounts.id, accountId)
  const whose = db.select({ id: accounts.id }).from(accounts).where(isIt)
  const [[row], ...owned] = await db.batch([db.select().from(accounts).where(isIt), ...standingQueries(db, whose)])
  return row ? { createdAt: row.createdAt, standing: standingOf(owned) } : null
}

function asAccountId(text: string): AccountId {
  assert(isAccountId(text), 'a wallet belongs to an account')
  return text
}

// Accounts and their wallets in the registry. One address belongs to one account for good reasons of money, so every change here is
// one batch whose conditions stand in the statements themselves: two first sign-ins of one wallet end in one account. How members change: member-book.ts.
import { and, count, eq, exists, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { events } from '../../db/money-schema.ts'
import { accounts, wallets } from '../../db/schema.ts'
import { memberChanges } from '../../db/sign-in-schema.ts'
import type { Result } from '../../protocol/errors.ts'
import { isAccountId, type AccountId, type Instant } from '../../protocol/units.ts'
import type { EventKind } from '../../protocol/webhook.ts'
import { bookIndexOf } from '../core/book-index.ts'
import { assert } from '../core/errors.ts'
import { LIMITS, MEMBERS } from '../core/limits.ts'
import { roleAtFirst } from './member-change.ts'
import type { Member, Standing } from './roles.ts'
import { standingOf, standingQueries } from './standing-book.ts'

export interface WalletRow {
  readonly address: string
  readonly addedAt: number
}

export interface OwnedAccount {
  readonly accountId: AccountId
  /** index of its book */
  readonly book: number
  /** of the wallet as it came in: EIP-155; null: a key pair */
  readonly chainId: number | null
}

/**
 * The account of a wallet; made with the given id when the wallet has none yet, in one of the books there are now, and the wallet is its owner.
 * @param books how many databases the book is split into
 */
export async function accountOf(
  db: DrizzleD1Database,
  { address, chainId }: { readonly address: string; readonly chainId: number | null },
  newId: AccountId,
  now: Instant,
  books: number,
): Promise<OwnedAccount> {
  const owner = db
    .select({ accountId: accounts.id, book: accounts.book, chainId: wallets.chainId })
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
      membersVersion: sql<number>`0`.as('members_version'),
    })
    .from(wallets)
    .where(eq(wallets.address, address))
  const [, , [row]] = await db.batch([
    db.insert(wallets).values({ address, accountId: newId, chainId, addedAt: now }).onConflictDoNothing(),
    db.insert(accounts).select(made).onConflictDoNothing(),
    owner,
  ])
  assert(row, 'the wallet was just written')
  return { ...row, accountId: asAccountId(row.accountId) }
}

export interface NewWallet {
  readonly accountId: AccountId
  /** EIP-55 */
  readonly address: string
  /** EIP-155; null: a key pair */
  readonly chainId: number | null
  readonly now: Instant
  /** the member who adds it, and so what it will be: an owner only after the delay, an admin until then */
  readonly by: Pick<Member, 'address' | 'role'>
}

/** Idempotent. Refuses a wallet of another account, and more wallets than an account may have. */
export async function addWallet(
  db: DrizzleD1Database,
  { accountId, address, chainId, now, by }: NewWallet,
): Promise<Result<WalletRow, 'wallet_taken' | 'conflict'>> {
  const owned = db.select({ n: count() }).from(wallets).where(eq(wallets.accountId, accountId))
  const isIt = and(eq(wallets.address, address), eq(wallets.accountId, accountId), eq(wallets.addedAt, now))
  const isNew = exists(
    db
      .select({ one: sql`1` })
      .from(wallets)
      .where(isIt),
  )
  const kind: EventKind = 'member.changing'
  const data = JSON.stringify({ state: 'added', address, role: by.role, by: by.address, effectiveAt: toIso(now) })
  const pending = sql`select ${address}, ${accountId}, ${by.role}, ${by.address}, ${now}, ${now + MEMBERS.ownerDelayMs}`
  const event = sql`select ${`${accountId}:member:${address}:added:${now}`}, ${accountId}, ${kind}, ${data}, ${now}, null`
  const results = await db.batch([
    // Every `select` here is in the order of its table's columns.
    db
      .insert(wallets)
      .select(
        sql`select ${address}, ${accountId}, ${roleAtFirst(by.role)}, ${chainId}, ${now} where (${owned}) < ${LIMITS.walletsPerAccount}`,
      )
      .onConflictDoNothing(),
    db
      .insert(memberChanges)
      .select(sql`${pending} where ${by.role} = 'owner' and ${isNew}`)
      .onConflictDoNothing(),
    db
      .insert(events)
      .select(sql`${event} where ${isNew}`)
      .onConflictDoNothing(),
    db
      .update(accounts)
      .set({ membersVersion: sql`${accounts.membersVersion} + 1` })
      .where(and(eq(accounts.id, accountId), isNew)),
    db.select().from(wallets).where(eq(wallets.address, address)),
  ])
  const [row] = results[4]
  if (!row)
    return { ok: false, code: 'conflict', detail: `An account has at most ${LIMITS.walletsPerAccount} wallets.` }
  if (row.accountId !== accountId) return { ok: false, code: 'wallet_taken' }
  return { ok: true, value: { address: row.address, addedAt: row.addedAt } }
}

const toIso = (at: Instant): string => new Date(at).toISOString()

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

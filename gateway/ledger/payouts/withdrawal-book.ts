// Withdrawals on their way out, in the registry: requested -> filed -> paid, or requested | filed -> returning -> returned. Every step is one
// conditional statement, so that two admins at once never file one twice, and what goes back can be neither filed nor paid meanwhile.
import { and, asc, count, desc, eq, inArray, isNull, ne, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { alerts, withdrawals } from '../../../db/money-schema.ts'
import { accounts, wallets } from '../../../db/schema.ts'
import { WithdrawalState } from '../../../protocol/money.ts'
import {
  fromSqlInteger,
  instant,
  isAccountId,
  nanos,
  toSqlInteger,
  type AccountId,
  type Instant,
  type Nanos,
} from '../../../protocol/units.ts'
import { assert } from '../../core/errors.ts'
import { newerThan, olderThan, type Place } from '../../core/keyset.ts'

export interface Withdrawal {
  /** account:transferId */
  readonly id: string
  readonly accountId: AccountId
  readonly transferId: string
  readonly amountNanos: Nanos
  readonly address: string
  readonly state: WithdrawalState
  readonly batchId: string | null
  readonly reference: string | null
  readonly requestedAt: Instant
  readonly endedAt: Instant | null
}
export type NewWithdrawal = Pick<Withdrawal, 'accountId' | 'transferId' | 'amountNanos' | 'address' | 'requestedAt'>

export type WithdrawalBook = ReturnType<typeof createWithdrawalBook>

export function createWithdrawalBook(registry: D1Database) {
  const db = drizzle(registry)
  const isIt = (id: string) => eq(withdrawals.id, id)
  return {
    ...createWithdrawalLists(registry),
    ...createOwnWallets(registry),

    /** What is there already stays as it is. */
    async add(requested: readonly NewWithdrawal[]): Promise<void> {
      // As JSON: D1 takes 100 parameters.
      const rows = requested.map(({ accountId, transferId, amountNanos, address, requestedAt }) => [
        `${accountId}:${transferId}`,
        accountId,
        transferId,
        toSqlInteger(amountNanos),
        address,
        requestedAt,
      ])
      await db.run(sql`
        INSERT INTO withdrawals (id, account_id, transfer_id, amount_nanos, address, state, requested_at)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 'requested', value ->> 5
        FROM json_each(${JSON.stringify(rows)}) WHERE true ON CONFLICT DO NOTHING`)
    },

    /** Puts what is still requested into a batch, unless an alert came up meanwhile. @returns what was put there */
    async file(ids: readonly string[], batchId: string): Promise<Withdrawal[]> {
      const isStopped = sql`EXISTS (SELECT 1 FROM ${alerts} WHERE ${alerts.resolvedAt} IS NULL AND ${alerts.kind} <> 'lag'
        AND ${alerts.subject} IN ('house', ${withdrawals.accountId}))`
      const filed = await db
        .update(withdrawals)
        .set({ state: 'filed', batchId })
        .where(
          and(
            eq(withdrawals.state, 'requested'),
            sql`${withdrawals.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
            sql`NOT ${isStopped}`,
          ),
        )
        .returning()
      return filed.map(withdrawalOf)
    },

    /** All rows of a batch, also those that went back. */
    async batch(batchId: string): Promise<Withdrawal[]> {
      const rows = await db.select().from(withdrawals).where(eq(withdrawals.batchId, batchId))
      return rows.map(withdrawalOf)
    },

    /** What of the batch is filed was paid, all of it in one statement: of two references one finds something to mark. */
    async markPaid(batchId: string, reference: string, now: Instant): Promise<void> {
      await db
        .update(withdrawals)
        .set({ state: 'paid', reference, endedAt: now })
        .where(and(eq(withdrawals.batchId, batchId), eq(withdrawals.state, 'filed')))
    },

    /** From now on it is neither filed nor paid. Null when it is paid or returned, or when there is none. */
    async beginReturn(id: string): Promise<Withdrawal | null> {
      const isOpen = inArray(withdrawals.state, ['requested', 'filed', 'returning'])
      const [row] = await db
        .update(withdrawals)
        .set({ state: 'returning' })
        .where(and(isIt(id), isOpen))
        .returning()
      return row ? withdrawalOf(row) : null
    },

    async endReturn(id: string, now: Instant): Promise<void> {
      const set = { state: 'returned', endedAt: now }
      await db
        .update(withdrawals)
        .set(set)
        .where(and(isIt(id), eq(withdrawals.state, 'returning')))
    },
  }
}

function createOwnWallets(registry: D1Database) {
  const db = drizzle(registry)
  return {
    /** The wallet as the registry spells it, and since when the account has it; null for the one it was made with. Null when it is none of this account's. */
    async walletOf(
      accountId: AccountId,
      address: string,
    ): Promise<{ readonly address: string; readonly joinedAt: Instant | null } | null> {
      const owned = await db
        .select({ address: wallets.address, addedAt: wallets.addedAt, madeAt: accounts.createdAt })
        .from(wallets)
        .leftJoin(accounts, eq(accounts.id, wallets.accountId))
        .where(eq(wallets.accountId, accountId))
      const found = owned.find((wallet) => wallet.address.toLowerCase() === address.toLowerCase())
      if (!found) return null
      const isFirst = found.madeAt !== null && found.addedAt <= found.madeAt
      return { address: found.address, joinedAt: isFirst ? null : instant(found.addedAt) }
    },
  }
}

function createWithdrawalLists(registry: D1Database) {
  const db = drizzle(registry)
  return {
    /** What open alerts are about: account ids, `house`, and others. Lag is no reason to keep money back: the line is in its guard. */
    async alerted(): Promise<ReadonlySet<string>> {
      const found = await db
        .selectDistinct({ subject: alerts.subject })
        .from(alerts)
        .where(and(isNull(alerts.resolvedAt), ne(alerts.kind, 'lag')))
      return new Set(found.map(({ subject }) => subject))
    },

    async find(id: string): Promise<Withdrawal | null> {
      const [row] = await db.select().from(withdrawals).where(eq(withdrawals.id, id))
      return row ? withdrawalOf(row) : null
    },

    /** Newest first; of one account, in one state, or all. */
    async page(
      { accountId, state }: { readonly accountId?: AccountId; readonly state?: WithdrawalState | undefined },
      after: Place | null,
      rows: number,
    ): Promise<Withdrawal[]> {
      const { requestedAt, id } = withdrawals
      const found = await db
        .select()
        .from(withdrawals)
        .where(
          and(
            accountId && eq(withdrawals.accountId, accountId),
            state && eq(withdrawals.state, state),
            olderThan(requestedAt, id, after),
          ),
        )
        .orderBy(desc(requestedAt), desc(id))
        .limit(rows)
      return found.map(withdrawalOf)
    },

    /** Asked for and neither paid nor given back. */
    async onTheirWay(accountId: AccountId): Promise<{ readonly count: number; readonly amountNanos: Nanos }> {
      const isOpen = inArray(withdrawals.state, ['requested', 'filed', 'returning'])
      const [row] = await db
        .select({ count: count(), sum: sql<string>`CAST(coalesce(sum(${withdrawals.amountNanos}), 0) AS TEXT)` })
        .from(withdrawals)
        .where(and(eq(withdrawals.accountId, accountId), isOpen))
      return { count: row?.count ?? 0, amountNanos: nanos(BigInt(row?.sum ?? '0')) }
    },

    /** What waits for a file, oldest first. */
    async waiting(after: Place | null, rows: number): Promise<Withdrawal[]> {
      const { requestedAt, id } = withdrawals
      const found = await db
        .select()
        .from(withdrawals)
        .where(and(eq(withdrawals.state, 'requested'), newerThan(requestedAt, id, after)))
        .orderBy(asc(requestedAt), asc(id))
        .limit(rows)
      return found.map(withdrawalOf)
    },
  }
}

function withdrawalOf(row: typeof withdrawals.$inferSelect): Withdrawal {
  assert(isAccountId(row.accountId), 'a withdrawal belongs to an account')
  return {
    ...row,
    accountId: row.accountId,
    state: WithdrawalState.parse(row.state),
    amountNanos: nanos(fromSqlInteger(row.amountNanos)),
    requestedAt: instant(row.requestedAt),
    endedAt: row.endedAt === null ? null : instant(row.endedAt),
  }
}

// What there is, for admins: accounts, nodes and models, by keyset over an index of their own order, so that no page costs more than its rows. What begins
// with a text is a range of an index too.
import { and, asc, desc, eq, gt, sql, type Column, type SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { accounts, authors, models, nodes, offers, wallets } from '../../db/schema.ts'
import { olderThan } from '../core/keyset.ts'
import { SILENT_NODES } from './node-count-book.ts'
import type { TimedCursor } from './pages.ts'

export interface AccountRow {
  readonly id: string
  readonly createdAt: number
  readonly wallets: readonly string[]
  readonly isOperator: boolean
  readonly isAuthor: boolean
}
export type NodeRow = Awaited<ReturnType<ListBook['nodes']>>[number]
export type ModelRow = Awaited<ReturnType<ListBook['models']>>[number]

export type ListBook = ReturnType<typeof createListBook>
type Database = ReturnType<typeof drizzle>

export function createListBook(registry: D1Database) {
  const db = drizzle(registry)
  return { ...accountLists(db), ...nodeLists(db), ...modelLists(db) }
}

function accountLists(db: Database) {
  const flag = (query: SQL) => sql<number>`EXISTS (${query})`
  const read = () =>
    db
      .select({
        id: accounts.id,
        createdAt: accounts.createdAt,
        ownsNode: flag(sql`SELECT 1 FROM ${nodes} WHERE ${nodes.operatorAccountId} = ${accounts.id}`),
        ownsHandle: flag(sql`SELECT 1 FROM ${authors} WHERE ${authors.accountId} = ${accounts.id}`),
      })
      .from(accounts)
  const withWallets = async (found: Awaited<ReturnType<typeof read>>): Promise<AccountRow[]> => {
    const owned = await db
      .select({ accountId: wallets.accountId, address: wallets.address })
      .from(wallets)
      .where(
        isAmong(
          wallets.accountId,
          found.map(({ id }) => id),
        ),
      )
      .orderBy(asc(wallets.addedAt))
    return found.map(({ id, createdAt, ownsNode, ownsHandle }) => ({
      id,
      createdAt,
      wallets: owned.filter(({ accountId }) => accountId === id).map(({ address }) => address),
      isOperator: ownsNode === 1,
      isAuthor: ownsHandle === 1,
    }))
  }
  return {
    /** Newest first. */
    async accounts(after: TimedCursor | null, rows: number): Promise<AccountRow[]> {
      return withWallets(
        await read()
          .where(olderThan(accounts.createdAt, accounts.id, after))
          .orderBy(desc(accounts.createdAt), desc(accounts.id))
          .limit(rows),
      )
    },

    /** Whose id, or one of whose wallets, begins so. */
    async findAccounts(text: string, rows: number): Promise<AccountRow[]> {
      if (!/^0x/i.test(text)) {
        const found = read().where(begins(accounts.id, text)).orderBy(asc(accounts.id)).limit(rows)
        return withWallets(await found)
      }
      const owners = await db
        .select({ id: wallets.accountId })
        .from(wallets)
        .where(begins(sql`lower(${wallets.address})`, text.toLowerCase()))
        .orderBy(asc(sql`lower(${wallets.address})`))
        .limit(rows)
      const ids = [...new Set(owners.map(({ id }) => id))]
      return withWallets(await read().where(isAmong(accounts.id, ids)).orderBy(asc(accounts.id)))
    },
  }
}

function nodeLists(db: Database) {
  const { id, name, operatorAccountId, endpoint, region, state, reason, seenAt, createdAt } = nodes
  const served = sql<number>`(SELECT count(*) FROM ${offers} WHERE ${offers.nodeId} = ${nodes.id} AND ${offers.state} = 'live')`
  const read = () =>
    db
      .select({ id, name, operatorAccountId, endpoint, region, state, reason, seenAt, createdAt, models: served })
      .from(nodes)
  const stands = (inState: string | undefined) =>
    inState === 'silent' ? sql`${id} IN (${sql.raw(SILENT_NODES)})` : isOf(state, inState)
  return {
    /** Newest first. @param inState also `silent` */
    nodes(inState: string | undefined, after: TimedCursor | null, rows: number) {
      return read()
        .where(and(stands(inState), olderThan(createdAt, id, after)))
        .orderBy(desc(createdAt), desc(id))
        .limit(rows)
    },

    /** Whose id, or name in small letters, begins so. */
    async findNodes(text: string, inState: string | undefined, rows: number) {
      const lowerName = sql`lower(${name})`
      const ofState = stands(inState)
      const [byId, byName] = await Promise.all([
        read()
          .where(and(begins(id, text), ofState))
          .orderBy(asc(id))
          .limit(rows),
        read()
          .where(and(begins(lowerName, text.toLowerCase()), ofState))
          .orderBy(asc(lowerName), asc(id))
          .limit(rows),
      ])
      const known = new Set(byId.map((node) => node.id))
      return [...byId, ...byName.filter((node) => !known.has(node.id))].slice(0, rows)
    },
  }
}

function modelLists(db: Database) {
  const { id, task, authorAccountId, royaltyBps, state, stateReason: reason, stateAt, createdAt } = models
  const live = sql<number>`(SELECT count(*) FROM ${offers} WHERE ${offers.modelId} = ${models.id} AND ${offers.state} = 'live')`
  return {
    /** By id, after `after`; no manifests, which can be half a megabyte each. @param text how their ids begin */
    models: (inState: string | undefined, text: string | undefined, after: string | null, rows: number) =>
      db
        .select({ id, task, authorAccountId, royaltyBps, state, reason, stateAt, createdAt, offers: live })
        .from(models)
        .where(
          and(
            isOf(state, inState),
            text === undefined ? undefined : begins(id, text),
            after ? gt(id, after) : undefined,
          ),
        )
        .orderBy(asc(id))
        .limit(rows),
  }
}

const isOf = (column: Column, value: string | undefined) => (value === undefined ? undefined : eq(column, value))

/** A range, which an index serves: LIKE would have to know that nothing in it is a wildcard. */
const begins = (column: Column | SQL, text: string) =>
  and(sql`${column} >= ${text}`, sql`${column} < ${`${text}\u{10ffff}`}`)

/** One bound parameter, however long the list: D1 binds at most 100. */
const isAmong = (column: Column, values: readonly string[]) =>
  sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`

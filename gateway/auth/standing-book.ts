// What an account owns that gives it roles: three small reads, made to ride in one batch with whatever else is asked.
import { inArray, type SQLWrapper } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { authors, nodes, wallets } from '../../db/schema.ts'
import type { Standing } from './roles.ts'

type Owned = readonly [Standing['wallets'], readonly unknown[], readonly unknown[]]

/** @param whose a query of one column with the account's id */
export function standingQueries(db: DrizzleD1Database, whose: SQLWrapper) {
  return [
    db
      .select({ address: wallets.address, addedAt: wallets.addedAt })
      .from(wallets)
      .where(inArray(wallets.accountId, whose))
      .orderBy(wallets.addedAt, wallets.address),
    db.select({ id: nodes.id }).from(nodes).where(inArray(nodes.operatorAccountId, whose)).limit(1),
    db.select({ handle: authors.handle }).from(authors).where(inArray(authors.accountId, whose)).limit(1),
  ] as const
}

/** The rows of {@link standingQueries}, in the same order. */
export function standingOf([addresses, operated, handles]: Owned): Standing {
  return { wallets: addresses, ownsNode: operated.length > 0, ownsHandle: handles.length > 0 }
}

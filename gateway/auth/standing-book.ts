// What an account owns that gives it roles: three small reads, made to ride in one batch with whatever else is asked.
import { inArray, type SQLWrapper } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import { authors, nodes, wallets } from '../../db/schema.ts'
import { MemberRole } from '../../protocol/auth.ts'
import type { Member, Standing } from './roles.ts'

type WalletRow = Omit<Member, 'role'> & { readonly role: string }
type Owned = readonly [readonly WalletRow[], readonly unknown[], readonly unknown[]]

/** @param whose a query of one column with the account's id */
export function standingQueries(db: DrizzleD1Database, whose: SQLWrapper) {
  const { address, chainId, role, addedAt } = wallets
  return [
    db
      .select({ address, chainId, role, addedAt })
      .from(wallets)
      .where(inArray(wallets.accountId, whose))
      .orderBy(wallets.addedAt, wallets.address),
    db.select({ id: nodes.id }).from(nodes).where(inArray(nodes.operatorAccountId, whose)).limit(1),
    db.select({ handle: authors.handle }).from(authors).where(inArray(authors.accountId, whose)).limit(1),
  ] as const
}

/** The rows of {@link standingQueries}, in the same order. */
export function standingOf([rows, operated, handles]: Owned): Standing {
  return { wallets: rows.map(memberOf), ownsNode: operated.length > 0, ownsHandle: handles.length > 0 }
}

/** @throws ZodError for a role that this gateway does not know: who may what is never guessed */
export const memberOf = ({ address, chainId, role, addedAt }: WalletRow): Member => ({
  address,
  chainId,
  role: MemberRole.parse(role),
  addedAt,
})

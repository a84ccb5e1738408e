// Withdrawals as the books know them: the journals' own lines. A gateway that died between an account's guard and the registry left a line and no
// row; a new pay-out file finds it here.
import { and, asc, eq, gt, gte, or } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { lines } from '../../../db/book-schema.ts'
import { parseLine } from '../../../protocol/journal.ts'
import { instant, nanos, type Instant } from '../../../protocol/units.ts'
import { LEDGER } from '../limits/limits.ts'
import type { NewWithdrawal } from './withdrawal-book.ts'

/** Page by page, oldest first, all withdrawals of one book since then. */
export async function* withdrawalLines(book: D1Database, since: Instant): AsyncGenerator<NewWithdrawal[]> {
  const db = drizzle(book)
  let after: { at: number; accountId: string; seq: number } | null = null
  for (;;) {
    const beyond: ReturnType<typeof and> =
      after === null
        ? gte(lines.at, since)
        : or(
            gt(lines.at, after.at),
            and(eq(lines.at, after.at), gt(lines.accountId, after.accountId)),
            and(eq(lines.at, after.at), eq(lines.accountId, after.accountId), gt(lines.seq, after.seq)),
          )
    const found: { at: number; accountId: string; seq: number; body: string }[] = await db
      .select({ at: lines.at, accountId: lines.accountId, seq: lines.seq, body: lines.body })
      .from(lines)
      .where(and(eq(lines.kind, 'withdrawal'), beyond))
      .orderBy(asc(lines.at), asc(lines.accountId), asc(lines.seq))
      .limit(LEDGER.payoutPageRows)
    if (found.length > 0) yield found.map(({ body }) => withdrawalOfLine(body))
    if (found.length < LEDGER.payoutPageRows) return
    after = found.at(-1) ?? null
  }
}

function withdrawalOfLine(body: string): NewWithdrawal {
  const { account, transferId, deltaNanos, withdrawal, at } = parseLine(body)
  if (!withdrawal) throw new Error(`the line of ${transferId} names no address`)
  return {
    accountId: account,
    transferId,
    amountNanos: nanos(-deltaNanos),
    address: withdrawal.address,
    requestedAt: instant(at),
  }
}

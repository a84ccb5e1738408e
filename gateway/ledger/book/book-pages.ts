// What an account may read of the book about itself: its calls and its journal, newest first, by keyset, so that a page costs the same
// wherever it stands.
import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { calls, lines } from '../../../db/book-schema.ts'
import type { JournalEntry, UsageCall, UsageFilter } from '../../../protocol/ledger.ts'
import { fromSqlInteger, isCallId, nanos, toUsd, type AccountId, type CallId } from '../../../protocol/units.ts'
import { olderThan, type Place } from '../../core/keyset.ts'
import type { BookOf } from './account-book.ts'

export interface Page<T> {
  readonly data: T[]
  readonly nextCursor: string | null
}

/** Null: this cursor was given by nobody. */
export type Paged<T> = Promise<Page<T> | null>

export type BookPages = ReturnType<typeof createBookPages>

export function createBookPages(bookOf: BookOf) {
  const open = async (accountId: AccountId) => drizzle(await bookOf(accountId))
  return {
    /** Cursor: `<startedAt>.<callId>` of the last row. Each filter has an index of its own (account, filter, time). */
    async usage(accountId: AccountId, cursor: string | null, rows: number, filter: UsageFilter = {}): Paged<UsageCall> {
      const at = cursor === null ? null : usageCursor(cursor)
      if (cursor !== null && at === null) return null
      const db = await open(accountId)
      const found = await db
        .select()
        .from(calls)
        .where(
          and(
            eq(calls.accountId, accountId),
            filter.key === undefined ? undefined : eq(calls.keyId, filter.key),
            filter.model === undefined ? undefined : eq(calls.modelId, filter.model),
            filter.outcome === undefined ? undefined : eq(calls.outcome, filter.outcome),
            olderThan(calls.startedAt, calls.id, at),
          ),
        )
        .orderBy(desc(calls.startedAt), desc(calls.id))
        .limit(rows + 1)
      return pageOf(found, rows, usageCall, ({ startedAt, id }) => `${startedAt}.${id}`)
    },

    /** Cursor: the seq of the last row. */
    async journal(accountId: AccountId, cursor: string | null, rows: number): Paged<JournalEntry> {
      if (cursor !== null && !/^\d{1,15}$/.test(cursor)) return null
      const db = await open(accountId)
      const found = await db
        .select()
        .from(lines)
        .where(and(eq(lines.accountId, accountId), cursor === null ? undefined : lt(lines.seq, Number(cursor))))
        .orderBy(desc(lines.seq))
        .limit(rows + 1)
      return pageOf(found, rows, journalEntry, ({ seq }) => String(seq))
    },

    /** What the journal says of one call: its line, and that of a receipt that came late. Found by the transfer, whose id no other account has. */
    async linesOfCall(accountId: AccountId, callId: CallId): Promise<Page<JournalEntry>> {
      const db = await open(accountId)
      const found = await db
        .select()
        .from(lines)
        // The plus keeps the planner from reading all of the account's lines instead.
        .where(and(inArray(lines.transferId, [callId, `receipt:${callId}`]), eq(sql`+${lines.accountId}`, accountId)))
      return { data: found.sort((a, b) => b.seq - a.seq).map(journalEntry), nextCursor: null }
    },
  }
}

function pageOf<Row, T>(found: Row[], rows: number, view: (row: Row) => T, cursorOf: (row: Row) => string): Page<T> {
  const page = found.slice(0, rows)
  const last = page.at(-1)
  return { data: page.map(view), nextCursor: found.length > rows && last !== undefined ? cursorOf(last) : null }
}

function usageCursor(text: string): Place | null {
  const [startedAt = '', id = ''] = text.split('.')
  return /^\d{1,15}$/.test(startedAt) && isCallId(id) ? { at: Number(startedAt), id } : null
}

const journalEntry = ({ seq, prevHash, hash, body }: JournalEntry): JournalEntry => ({ seq, prevHash, hash, body })

const usageCall = (row: typeof calls.$inferSelect): UsageCall => ({
  id: row.id,
  keyId: row.keyId,
  model: row.modelId,
  provider: row.nodeId,
  outcome: row.outcome,
  errorCode: row.errorCode,
  inputTokens: row.inputTokens,
  outputTokens: row.outputTokens,
  tensorBytes: row.tensorBytes,
  hold: toUsd(nanos(fromSqlInteger(row.holdNanos))),
  cost: toUsd(nanos(fromSqlInteger(row.chargeNanos))),
  startedAt: new Date(row.startedAt).toISOString(),
  firstTokenAt: row.firstTokenAt === null ? null : new Date(row.firstTokenAt).toISOString(),
  endedAt: new Date(row.endedAt).toISOString(),
})

// When a guard next has something to do by itself: one question to its SQLite, asked after every method.
import { instant, type Instant } from '../../../protocol/units.ts'
import type { GuardSql } from './guard-storage.ts'
import { LEDGER } from '../limits/limits.ts'

export type DueStore = ReturnType<typeof createDueStore>

export function createDueStore(sql: GuardSql) {
  return {
    /** Null: nothing is under way. */
    nextAt(): Instant | null {
      const { at } = sql.exec<{ at: number | null }>(NEXT, LEDGER.purgePauseMs).one()
      return at === null ? null : instant(at)
    },
  }
}

/**
 * The next hold that runs out; credits, of which what gathers behind an unacknowledged batch waits for it; lines for the book; events; and
 * Idempotency-Keys, some time after the first expiry, so that many leave at once.
 */
const NEXT = `
  SELECT min(at) AS at FROM (
    SELECT min(deadline) AS at FROM holds WHERE state = 'open'
    UNION ALL SELECT min(next_at) FROM credits_out
      WHERE state = 'sending' OR payee NOT IN (SELECT payee FROM credits_out WHERE state = 'sending')
    UNION ALL SELECT project_at FROM account
    UNION ALL SELECT min(next_at) FROM events
    UNION ALL SELECT min(expires_at) + ? FROM idempotency)`

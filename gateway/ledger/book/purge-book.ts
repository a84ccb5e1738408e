// Retention, in the databases: what is cleared, when, and never the money. Lines, legs, the facts of calls, hourly sums and statements stay for
// ever. Every run clears a bounded number of the oldest rows and may be repeated; guards clear their own storage by themselves (account.ts).
import type { Instant } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { LEDGER } from '../limits/limits.ts'
import { PURGED_DETAIL } from '../guard/stored.ts'

export interface PurgeNeeds {
  /** the registry */
  readonly db: D1Database
  readonly books: readonly D1Database[]
  readonly clock: Clock
}

/** For `scheduled`, once a minute. One request for each database. @returns how many rows were cleared */
export async function purgeDatabases({ db, books, clock }: PurgeNeeds): Promise<number> {
  const now = clock()
  const cleared = await Promise.all([purgeRegistry(db, now), ...books.map((book) => purgeBook(book, now))])
  return cleared.reduce((sum, rows) => sum + rows, 0)
}

/** The same calls, by the same time, as their guards clear: so both stay the same. */
async function purgeBook(book: D1Database, now: Instant): Promise<number> {
  const { meta } = await book
    .prepare(CLEAR_DETAILS)
    .bind(now - LEDGER.detailKeptMs, LEDGER.purgeRows)
    .run()
  return meta.changes
}

async function purgeRegistry(db: D1Database, now: Instant): Promise<number> {
  const old = now - LEDGER.eventsKeptMs
  const results = await db.batch([
    db.prepare(DELETE_NONCES).bind(now, LEDGER.purgeRows),
    db.prepare(DELETE_SESSIONS).bind(now, LEDGER.purgeRows),
    db.prepare(DELETE_DELIVERIES).bind(old, LEDGER.purgeRows),
    db.prepare(DELETE_EVENTS).bind(old, LEDGER.purgeRows),
  ])
  return results.reduce((sum, { meta }) => sum + meta.changes, 0)
}

const CLEAR_DETAILS = `
  UPDATE calls SET detail = '${PURGED_DETAIL}' WHERE id IN (
    SELECT id FROM calls WHERE detail <> 'null' AND ended_at <= ?1 ORDER BY ended_at LIMIT ?2)`

const DELETE_NONCES = `
  DELETE FROM nonces WHERE nonce IN (SELECT nonce FROM nonces WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)`

const DELETE_SESSIONS = `
  DELETE FROM sessions WHERE token_hash IN (SELECT token_hash FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)`

/** Of those that still wait for a try nothing is forgotten. */
const DELETE_DELIVERIES = `
  DELETE FROM deliveries WHERE id IN (
    SELECT id FROM deliveries WHERE created_at <= ?1 AND next_at IS NULL ORDER BY created_at LIMIT ?2)`

/** An event that somebody is still to be told of stays. */
const DELETE_EVENTS = `
  DELETE FROM events WHERE id IN (
    SELECT id FROM events AS e WHERE spread_at IS NOT NULL AND spread_at <= ?1
      AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = e.id) ORDER BY spread_at LIMIT ?2)`

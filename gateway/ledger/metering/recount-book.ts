// Totals that are to be summed anew: whole days, from the hourly sums and the calls, a bounded number in a run. Three ways lead here: what happened before
// there were totals (the migration named those days), an account whose rows were wiped, and the check, which holds one day a minute against its hourly
// sums. A day is written in one batch, between two appends, so that what is added before and after it fits; it may be repeated without harm.
import type { Clock } from '../../core/clock.ts'
import { logError } from '../../core/errors.ts'
import { LEDGER } from '../limits/limits.ts'
import { atSql, cutsSql, keptSql, LATENCIES, TOTALS } from './cuts.ts'
import { DAY_MS, monthOf, nextMonth } from './ranges.ts'
import { setTotals } from './totals-book.ts'

const MINUTE_MS = 60_000

/** For `scheduled`, once a minute. @returns how many days were summed anew */
export async function recountDays({
  books,
  clock,
}: {
  readonly books: readonly D1Database[]
  readonly clock: Clock
}): Promise<number> {
  const now = clock()
  const done = await Promise.all(
    books.map(async (book) => {
      await checkOne(book, dayToCheck(now))
      return recountBook(book)
    }),
  )
  return done.reduce((sum, days) => sum + days, 0)
}

/** Round and round: every day of the last year and more is looked at some times a day, today among them. */
function dayToCheck(now: number): number {
  const back = Math.floor(now / MINUTE_MS) % LEDGER.totalsCheckedDays
  return Math.floor(now / DAY_MS) * DAY_MS - back * DAY_MS
}

async function recountBook(book: D1Database): Promise<number> {
  const { results } = await book.prepare(NEXT).bind(LEDGER.recountDays).all<{ day: number }>()
  for (const { day } of results) await recountDay(book, day)
  return results.length
}

/** @param day ms of its start, UTC */
export async function recountDay(book: D1Database, day: number): Promise<void> {
  const month = { from: monthOf(day), to: nextMonth(day) }
  await book.batch([...setTotals(book, day, month), book.prepare('DELETE FROM recounts WHERE day = ?').bind(day)])
}

/** Sums of sums freeze nobody: a day that is off is summed anew, and the log says so. */
async function checkOne(book: D1Database, day: number): Promise<void> {
  const off = await book.prepare(OFF).bind(day).first<{ day: number }>()
  if (!off) return
  logError(
    new Error(`the totals of ${new Date(day).toISOString()} are not its hourly sums: they are summed anew`),
    null,
  )
  await book.prepare('INSERT INTO recounts (day) VALUES (?) ON CONFLICT DO NOTHING').bind(day).run()
}

/**
 * Statements of a wipe, before the account's own rows go: every sum it is part of goes with them, and its days are named. What others have in those
 * sums comes back with the recount, what the account has with its guard's lines.
 */
export function forgetTotals(book: D1Database, accountId: string): D1PreparedStatement[] {
  return [NAME_DAYS, FORGET_TOTALS, FORGET_LATENCIES].map((query) => book.prepare(query).bind(accountId))
}

/** The newest first: they are looked at. */
const NEXT = 'SELECT day FROM recounts ORDER BY day DESC LIMIT ?1'

const NAME_DAYS = `
  INSERT INTO recounts (day)
  SELECT hour - hour % ${DAY_MS} FROM rollups_hour WHERE account_id = ?1
  UNION SELECT at - at % ${DAY_MS} FROM lines WHERE account_id = ?1 AND kind = 'call'
  ON CONFLICT DO NOTHING`

const forget = (table: string, cuts: typeof TOTALS) => `
  WITH ${cutsSql(cuts)}
  DELETE FROM ${table} WHERE (step, cut, model_id, node_id, at) IN (
    SELECT c.step, c.cut, ${keptSql('c.cut', 'model', 'r.model_id')}, ${keptSql('c.cut', 'node', 'r.node_id')}, ${atSql('c.step', 'r.hour')}
    FROM rollups_hour AS r CROSS JOIN cuts AS c WHERE r.account_id = ?1)`
const FORGET_TOTALS = forget('totals', TOTALS)
const FORGET_LATENCIES = forget('latencies', LATENCIES)

/** A row when any of its totals is not what its hours say, and nobody has named it yet. In one statement, so that nothing moves in between. */
const OFF = `
  WITH booked AS (
    SELECT coalesce(sum(calls), 0) AS calls, coalesce(sum(charge_nanos), 0) AS charge, coalesce(sum(operator_nanos), 0) AS operator
    FROM rollups_hour WHERE hour >= ?1 AND hour < ?1 + ${DAY_MS}),
  said AS (
    SELECT coalesce(sum(calls), 0) AS calls, coalesce(sum(charge_nanos), 0) AS charge, coalesce(sum(operator_nanos), 0) AS operator
      FROM totals WHERE step = 'day' AND cut = 0 AND model_id = '' AND node_id = '' AND at = ?1
    UNION ALL
    SELECT coalesce(sum(calls), 0), coalesce(sum(charge_nanos), 0), coalesce(sum(operator_nanos), 0)
      FROM totals WHERE step = 'hour' AND cut = 0 AND model_id = '' AND node_id = '' AND at >= ?1 AND at < ?1 + ${DAY_MS}
    UNION ALL
    SELECT coalesce(sum(calls), 0), coalesce(sum(charge_nanos), 0), coalesce(sum(operator_nanos), 0)
      FROM account_totals WHERE step = 'day' AND cut = 0 AND at = ?1)
  SELECT ?1 AS day FROM booked, said
  WHERE (booked.calls, booked.charge, booked.operator) <> (said.calls, said.charge, said.operator)
    AND NOT EXISTS (SELECT 1 FROM recounts WHERE day = ?1) LIMIT 1`

// Alarms can be lost, so a cron ticks every account's guard once a day. Account ids are random, so a slice of the id space by the minute of
// the day is a fair share of the accounts: bounded work, no cursor to keep, and a missed minute is made up for tomorrow.
import { base32 } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { logError } from '../core/errors.ts'
import type { Accounts } from './account-port.ts'
import { createAccountBook } from './account-book.ts'
import { LEDGER } from './limits.ts'

const MINUTES = 1_440
/** ids begin with 4 characters of 5 bits */
const PREFIX_BITS = 20
const PARALLEL = 10

export interface SweepNeeds {
  /** the registry */
  readonly db: D1Database
  readonly accounts: Accounts
  readonly clock: Clock
}

/** For `scheduled`, once a minute. @returns how many guards were ticked */
export async function sweepAccounts({ db, accounts, clock }: SweepNeeds): Promise<number> {
  const { from, before } = sliceOf(Math.floor(clock() / 60_000) % MINUTES)
  const ids = await createAccountBook(db).slice(from, before, LEDGER.sweepMax)
  if (ids.length === LEDGER.sweepMax) logError(new Error('a cron run cannot tick all accounts of its slice'), null)
  for (let at = 0; at < ids.length; at += PARALLEL) {
    const ticks = await Promise.allSettled(ids.slice(at, at + PARALLEL).map(({ id }) => accounts(id).tick()))
    for (const tick of ticks) if (tick.status === 'rejected') logError(tick.reason, null)
  }
  return ids.length
}

/** The ids of one minute: from inclusive, before exclusive (null: to the end). The slices of a day cover every id once. */
export function sliceOf(minute: number): { readonly from: string; readonly before: string | null } {
  return { from: prefix(minute) ?? '', before: prefix(minute + 1) }
}

function prefix(minute: number): string | null {
  if (minute >= MINUTES) return null
  const start = Math.floor((minute * 2 ** PREFIX_BITS) / MINUTES)
  // 20 bits, left-aligned in 3 bytes, are exactly 4 characters and one of padding.
  const bytes = Uint8Array.of(start >> 12, (start >> 4) & 0xff, (start << 4) & 0xff)
  return base32(bytes).slice(0, 4)
}

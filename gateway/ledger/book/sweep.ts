// Alarms can be lost, so a cron ticks every account's guard once a day, and then verifies its records. Account ids are random, so a slice of
// the id space by the minute of the day is a fair share of the accounts: bounded work, no cursor to keep, and a missed minute is made up for
// tomorrow.
//
// A run of a Worker may make 1,000 requests (subrequests: RPC and D1 alike). Of a full slice of LEDGER.sweepMax = 200:
//   slice, earlier checks, saved checks, caught up                        4
//   tick and self-check of each account                                 400
//   8 groups of 25 and one more for each further book: stand, window,
//   registry, and for each book credits before, owed, missing      9 × 3 + 9 × 3 = 54 with one book
//   further steps of long journals, at most                              50
//   heads and self-checks of both sides of doubtful credits, at most     40
//   suspects: 5 of a group at most, 20 of a run, 11 requests each       220, and only when something is wrong
//   alerts, freezes                                                      22
// That is 550 on a good day and 790 on the worst. 200 a minute are 288,000 accounts a day; of more, each day takes the next ones.
import { base32 } from '../../../protocol/units.ts'
import { logError } from '../../core/errors.ts'
import { createAccountBook } from './account-book.ts'
import { LEDGER } from '../limits/limits.ts'
import {
  freezeAgain,
  verifyAccounts,
  verifyConservation,
  type VerificationNeeds,
} from '../verification/verification.ts'

const MINUTES = 1_440
/** ids begin with 4 characters of 5 bits */
const PREFIX_BITS = 20
const PARALLEL = 10

export type SweepNeeds = VerificationNeeds

/** For `scheduled`, once a minute. @returns how many guards were ticked */
export async function sweepAccounts(needs: SweepNeeds): Promise<number> {
  const { db, accounts, clock } = needs
  const minutes = Math.floor(clock() / 60_000)
  const minute = minutes % MINUTES
  const { from, before } = sliceOf(minute)
  const all = await createAccountBook(db).slice(from, before, LEDGER.sliceMax)
  const slice = shareOf(all, Math.floor(minutes / MINUTES), LEDGER.sweepMax)
  if (all.length > slice.length) logError(new Error('a cron run cannot look after all accounts of its slice'), null)
  for (let at = 0; at < slice.length; at += PARALLEL) {
    const ticks = await Promise.allSettled(slice.slice(at, at + PARALLEL).map(({ id }) => accounts(id).tick()))
    for (const tick of ticks) if (tick.status === 'rejected') logError(tick.reason, null)
  }
  await verifyAccounts(needs, slice)
  await verifyConservation(needs)
  if (minute % 60 === 0) await freezeAgain(needs)
  return slice.length
}

/** The ids of one minute: from inclusive, before exclusive (null: to the end). The slices of a day cover every id once. */
export function sliceOf(minute: number): { readonly from: string; readonly before: string | null } {
  return { from: prefix(minute) ?? '', before: prefix(minute + 1) }
}

/** Where there are more than a run can do, each day goes on where the day before ended: nobody is left out for ever. */
export function shareOf<T>(all: readonly T[], day: number, most: number): T[] {
  if (all.length <= most) return [...all]
  const start = (day * most) % all.length
  return [...all.slice(start), ...all.slice(0, start)].slice(0, most)
}

function prefix(minute: number): string | null {
  if (minute >= MINUTES) return null
  const start = Math.floor((minute * 2 ** PREFIX_BITS) / MINUTES)
  // 20 bits, left-aligned in 3 bytes, are exactly 4 characters and one of padding.
  const bytes = Uint8Array.of(start >> 12, (start >> 4) & 0xff, (start << 4) & 0xff)
  return base32(bytes).slice(0, 4)
}

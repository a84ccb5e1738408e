// What a request with an Idempotency-Key is, judged by what the guard remembers of that key: the first one, one that has its answer already, one
// whose first is still under way, or one that uses another request's key. Expired is forgotten; a POST that nobody finished may be done again,
// but only the same one, since the first may have moved its money.
import type { CallOutcome } from '../../../protocol/journal.ts'
import type { Instant, Nanos } from '../../../protocol/units.ts'
import type { Refused } from '../account-port.ts'
import { refused } from '../calls/admit.ts'
import type { Answered } from './idempotency-port.ts'
import type { IdempotencyRecord } from './idempotency-store.ts'

/** `earlier` null: it is the first, and begins. */
export function judgeRepeat(
  record: IdempotencyRecord | null,
  bodyHash: string,
  now: Instant,
): Refused | { readonly ok: true; readonly earlier: Answered | null } {
  if (!record || record.expiresAt <= now) return { ok: true, earlier: null }
  const { callId, status, kept, lostAt } = record
  const ofCall = callId === null ? {} : { callId }
  if (record.bodyHash !== bodyHash) return { ...refused('idempotency_mismatch'), ...ofCall }
  if (status !== null) return { ok: true, earlier: { callId, status, kept } }
  if (lostAt !== null && lostAt <= now) return { ok: true, earlier: null }
  return { ...refused('idempotency_in_progress'), ...ofCall }
}

/** An answer that was given whole, and one that was charged without: their callers left, or their gateway vanished. */
export const WHOLE = 200
export const CUT_OFF = 499

/** What an ended call leaves behind: the status of its record, or null when the key is free for a new try. */
export function statusOfEnd(outcome: CallOutcome, chargeNanos: Nanos): number | null {
  if (outcome === 'complete') return WHOLE
  return chargeNanos > 0n ? CUT_OFF : null
}

// Idempotency-Keys inside the guard: the first request of a key begins, in the same transaction as its hold; others of the same body get its
// answer or hear that it is under way. A call that cost nothing and gave nothing is forgotten, so that a retry after a failure is a new try.
import type { CallOutcome } from '../../../protocol/journal.ts'
import { instant, type Instant, type Nanos } from '../../../protocol/units.ts'
import type { HoldRequest, Refused, Reply } from '../account-port.ts'
import { checkKey, refused } from '../calls/admit.ts'
import type { Hold } from '../calls/hold.ts'
import type { Answered, IdempotentRequest, Recall } from './idempotency-port.ts'
import { LEDGER } from '../limits/limits.ts'
import { judgeRepeat, statusOfEnd } from './repeat.ts'
import type { Stores } from '../guard/stores.ts'

type Begun = Refused | { readonly ok: true; readonly earlier: Answered | null; readonly keep: () => void }

/** `keep` writes the record when the hold is granted: a refused call has not begun. */
export function beginCall(stores: Stores, { callId, idempotency }: HoldRequest, now: Instant): Begun {
  if (!idempotency) return { ok: true, earlier: null, keep: () => undefined }
  const { id, bodyHash } = idempotency
  const judged = judgeRepeat(stores.idempotency.find(id), bodyHash, now)
  if (!judged.ok) return judged
  const begun = { id, bodyHash, callId, status: null, kept: null, lostAt: null, expiresAt: expiryAt(now) }
  return { ...judged, keep: () => stores.idempotency.save(begun) }
}

export interface CallResult {
  readonly outcome: CallOutcome
  readonly chargeNanos: Nanos
  readonly kept: ArrayBuffer | null
}

export function endCall(stores: Stores, hold: Hold, { outcome, chargeNanos, kept }: CallResult, now: Instant): void {
  const record = hold.idempotencyId === null ? null : stores.idempotency.find(hold.idempotencyId)
  if (!record || record.callId !== hold.callId) return
  const status = statusOfEnd(outcome, chargeNanos)
  if (status === null) return stores.idempotency.forget(record.id)
  stores.idempotency.save({ ...record, status, kept, expiresAt: expiryAt(now) })
}

/** The earlier answer for a key that `hold` would let in, without holding: for a call that cannot be made any more. */
export function recall(
  stores: Stores,
  { keyId, secretHash, idempotency }: Recall,
  now: Instant,
): Reply<{ readonly earlier: Answered | null }> {
  if (!stores.account.read()) return refused('invalid_api_key')
  const stranger = checkKey(stores.keys.find(keyId), secretHash, now)
  return stranger ?? judgeRepeat(stores.idempotency.find(idempotency.id), idempotency.bodyHash, now)
}

/** For a POST that is no call. */
export function beginPost(
  stores: Stores,
  { id, bodyHash }: IdempotentRequest,
  now: Instant,
): Reply<{ readonly earlier: Answered | null }> {
  const judged = judgeRepeat(stores.idempotency.find(id), bodyHash, now)
  if (!judged.ok || judged.earlier) return judged
  const lostAt = instant(now + LEDGER.postLostMs)
  stores.idempotency.save({ id, bodyHash, callId: null, status: null, kept: null, lostAt, expiresAt: expiryAt(now) })
  return judged
}

/** @param answer null: it was refused and changed nothing, so it may be tried again */
export function endPost(
  stores: Stores,
  id: string,
  answer: { readonly status: number; readonly kept: ArrayBuffer | null } | null,
  now: Instant,
): void {
  const record = stores.idempotency.find(id)
  // Expired is forgotten, whether or not it is purged yet.
  if (!record || record.expiresAt <= now || record.status !== null || record.callId !== null) return
  if (answer === null) return stores.idempotency.forget(id)
  stores.idempotency.save({ ...record, ...answer, expiresAt: expiryAt(now) })
}

const expiryAt = (now: Instant): Instant => instant(now + LEDGER.idempotencyMs)

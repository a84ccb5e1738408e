// Idempotency-Keys inside the guard: the first request of a key begins, others of the same body get its answer or hear that it is under way,
// others of another body are refused. A call that cost nothing and gave nothing is forgotten, so that a retry after a failure is a new try.
import type { CallOutcome } from '../../protocol/journal.ts'
import { instant, type Instant, type Nanos } from '../../protocol/units.ts'
import type { HoldRequest, Refused } from './account-port.ts'
import { refused } from './admit.ts'
import type { Hold } from './hold.ts'
import type { Answered, IdempotentRequest } from './idempotency-port.ts'
import type { IdempotencyRecord } from './idempotency-store.ts'
import { LEDGER } from './limits.ts'
import type { Stores } from './stores.ts'

type Begun = Refused | { readonly ok: true; readonly earlier: Answered | null; readonly keep: () => void }

/** `keep` writes the record when the hold is granted: a refused call has not begun. */
export function beginCall(stores: Stores, { callId, idempotency }: HoldRequest, now: Instant): Begun {
  if (!idempotency) return { ok: true, earlier: null, keep: () => undefined }
  const { id, bodyHash } = idempotency
  const record = liveRecord(stores, id, now)
  if (record) return judgeRecord(record, bodyHash)
  const expiresAt = instant(now + LEDGER.idempotencyMs)
  const begun = { id, bodyHash, callId, status: null, kept: null, lostAt: null, expiresAt }
  return { ok: true, earlier: null, keep: () => stores.idempotency.save(begun) }
}

export interface CallResult {
  readonly outcome: CallOutcome
  readonly chargeNanos: Nanos
  readonly kept: ArrayBuffer | null
}

export function endCall(stores: Stores, hold: Hold, { outcome, chargeNanos, kept }: CallResult, now: Instant): void {
  const record = hold.idempotencyId === null ? null : stores.idempotency.find(hold.idempotencyId)
  if (!record || record.callId !== hold.callId) return
  if (outcome !== 'complete' && chargeNanos === 0n) return stores.idempotency.forget(record.id)
  const expiresAt = instant(now + LEDGER.idempotencyMs)
  stores.idempotency.save({ ...record, status: outcome === 'complete' ? 200 : 499, kept, expiresAt })
}

export function judgeRecord(record: IdempotencyRecord, bodyHash: string): Begun {
  const callId = record.callId === null ? {} : { callId: record.callId }
  if (record.bodyHash !== bodyHash) return { ...refused('idempotency_mismatch'), ...callId }
  if (record.status === null) return { ...refused('idempotency_in_progress'), ...callId }
  const { status, kept } = record
  return { ok: true, earlier: { callId: record.callId, status, kept }, keep: () => undefined }
}

/** What the guard still knows of this key: not what has expired, and not what a gateway began and never finished. */
export function liveRecord(stores: Stores, id: string, now: Instant): IdempotencyRecord | null {
  const record = stores.idempotency.find(id)
  if (!record || record.expiresAt <= now) return null
  return record.lostAt !== null && record.status === null && record.lostAt <= now ? null : record
}

/** For a POST that is no call. */
export function beginPost(
  stores: Stores,
  { id, bodyHash }: IdempotentRequest,
  now: Instant,
): Refused | { readonly ok: true; readonly earlier: Answered | null } {
  const record = liveRecord(stores, id, now)
  if (record) {
    const judged = judgeRecord(record, bodyHash)
    return judged.ok ? { ok: true, earlier: judged.earlier } : judged
  }
  const lostAt = instant(now + LEDGER.postLostMs)
  const expiresAt = instant(now + LEDGER.idempotencyMs)
  stores.idempotency.save({ id, bodyHash, callId: null, status: null, kept: null, lostAt, expiresAt })
  return { ok: true, earlier: null }
}

/** @param answer null: it was refused and changed nothing, so it may be tried again */
export function endPost(
  stores: Stores,
  id: string,
  answer: { readonly status: number; readonly kept: ArrayBuffer | null } | null,
  now: Instant,
): void {
  const record = stores.idempotency.find(id)
  if (!record || record.status !== null) return
  if (answer === null) return stores.idempotency.forget(id)
  stores.idempotency.save({ ...record, ...answer, expiresAt: instant(now + LEDGER.idempotencyMs) })
}

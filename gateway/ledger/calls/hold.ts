// The life of a hold, as rules: open -> captured | expired, once and for ever. Released is captured without legs.
// What is charged is never above what was set aside, and never above what the last progress said when the gateway vanished.
import type { ErrorCode } from '../../../protocol/errors.ts'
import {
  bytes,
  instant,
  tokens,
  type CallId,
  type Instant,
  type KeyId,
  type ModelId,
  type Nanos,
} from '../../../protocol/units.ts'
import type { AccountId } from '../../../protocol/units.ts'
import { sha256Hex } from '../../../protocol/canonical.ts'
import type { CallOutcome } from '../../../protocol/journal.ts'
import { costOf, type Units } from '../../../protocol/price.ts'
import { readTicket } from '../../../protocol/ticket.ts'
import type { CallDetail, CallEnd, HoldRequest, LateReceipt, Progress } from '../account-port.ts'
import { callParts, chargeOf, legsOfParts, type Part } from './split.ts'

export interface Hold {
  readonly callId: CallId
  readonly keyId: KeyId
  readonly modelId: ModelId
  readonly amountNanos: Nanos
  readonly deadline: Instant
  readonly startedAt: Instant
  /** null until the first one */
  readonly progress: Progress | null
  /** came while the hold was open; null without one */
  readonly receipt: LateReceipt | null
  /** of the idempotency record this call answers */
  readonly idempotencyId: string | null
  /** null while open */
  readonly end: HoldEnd | null
}

export interface HoldEnd {
  readonly state: 'captured' | 'expired'
  readonly outcome: CallOutcome
  readonly chargeNanos: Nanos
  /** of its line */
  readonly seq: number
}

/** A call's end, however it came: what its line and its row in the book are made of. */
export type EndedCall = Omit<CallEnd, 'outcome' | 'kept'> & { readonly outcome: CallOutcome }

type Judged<T> =
  ({ readonly do: 'write' } & T) | { readonly do: 'refuse'; readonly code: ErrorCode; readonly why: string }

/** A hold asked for again: the same one is the same answer while it is open. */
export function judgeRepeatedHold(hold: Hold, request: HoldRequest): ErrorCode | null {
  if (hold.end) return hold.end.state === 'expired' ? 'call_expired' : 'conflict'
  const isSame =
    hold.keyId === request.keyId && hold.modelId === request.modelId && hold.amountNanos === request.amountNanos
  return isSame ? null : 'conflict'
}

/** `why` is for the log: a charge above its hold, or legs that are no charge, are bugs of the gateway. */
export function judgeCapture(
  hold: Hold,
  end: CallEnd,
  payer: AccountId,
):
  | Judged<{ readonly chargeNanos: Nanos }>
  | { readonly do: 'repeat'; readonly chargeNanos: Nanos; readonly seq: number } {
  if (hold.end?.state === 'expired') return { do: 'refuse', code: 'call_expired', why: 'the hold ran out' }
  const charge = chargeOf(end.legs, payer)
  if (hold.end) {
    const isSame = charge.ok && charge.value === hold.end.chargeNanos && end.outcome === hold.end.outcome
    if (!isSame) return { do: 'refuse', code: 'conflict', why: 'the call ended in another way before' }
    return { do: 'repeat', chargeNanos: hold.end.chargeNanos, seq: hold.end.seq }
  }
  if (!charge.ok) return { do: 'refuse', code: 'internal_error', why: charge.detail ?? charge.code }
  if (charge.value > hold.amountNanos)
    return { do: 'refuse', code: 'internal_error', why: 'the charge is above the hold' }
  return { do: 'write', chargeNanos: charge.value }
}

/** Reports can overtake each other: only a later one is kept. A report that could not be charged is never kept. */
export function judgeProgress(hold: Hold, progress: Progress): 'keep' | 'ignore' | 'closed' | 'wrong' {
  if (hold.end) return 'closed'
  const parts: readonly Pick<Part, 'units' | 'terms'>[] = [...(progress.before ?? []), { ...progress, units: progress }]
  // Each by itself: together they are cut at the hold.
  if (parts.some(({ units, terms }) => costOf(units, terms.price) > hold.amountNanos)) return 'wrong'
  const last = hold.progress
  if (!last) return 'keep'
  if (progress.attempt !== last.attempt) return progress.attempt > last.attempt ? 'keep' : 'ignore'
  const isLater =
    progress.outputTokens >= last.outputTokens &&
    progress.inputTokens >= last.inputTokens &&
    (progress.tensorBytes ?? 0n) >= (last.tensorBytes ?? 0n)
  return isLater ? 'keep' : 'ignore'
}

/**
 * How a hold ends whose gateway vanished: with its last progress as its charge, or with the receipt of the same attempt where that costs less.
 * A receipt alone charges nothing: it is the word of who would be paid.
 */
export function expiredCall(hold: Hold, payer: AccountId, now: Instant): EndedCall {
  const { progress } = hold
  const receipt = receiptOf(hold)
  const known = progress ?? receipt
  const parts = progress ? partsOf(progress, lesser(progress, receipt)) : []
  const units = progress && unitsOf(parts)
  return {
    callId: hold.callId,
    outcome: 'expired',
    errorCode: 'call_expired',
    nodeId: known?.nodeId ?? null,
    inputTokens: units?.inputTokens ?? tokens(0),
    outputTokens: units?.outputTokens ?? tokens(0),
    tensorBytes: units?.tensorBytes,
    legs: progress ? legsOfParts(parts, { payer, holdNanos: hold.amountNanos, ofNode: progress.nodeId }) : [],
    parts: progress ? callParts(parts, { holdNanos: hold.amountNanos, ofNode: progress.nodeId }) : undefined,
    startedAt: hold.startedAt,
    firstTokenAt: null,
    endedAt: instant(now),
    receiptHash: receipt && sha256Hex(receipt.receipt),
    ticketHash: receipt && sha256Hex(receipt.ticket),
    priceVersion: progress?.terms.priceVersion ?? null,
    detail: expiredDetail(hold, known, receipt, now),
  }
}

/** The receipt that speaks of what may be charged: of the attempt that reported progress, or of any when none did. */
function receiptOf({ progress, receipt }: Hold): LateReceipt | null {
  if (!progress || !receipt) return receipt
  return receipt.attempt === progress.attempt && receipt.nodeId === progress.nodeId ? receipt : null
}

const lesser = (progress: Progress, receipt: LateReceipt | null): Units =>
  receipt && costOf(receipt, progress.terms.price) < costOf(progress, progress.terms.price) ? receipt : progress

/** What was delivered before, and of the attempt that was under way what is to be paid. */
const partsOf = ({ nodeId, terms, before }: Progress, units: Units): Part[] => [
  ...(before ?? []),
  { nodeId, terms, units },
]

function unitsOf(parts: readonly Part[]): Units {
  const sum = (of: (units: Units) => bigint) => parts.reduce((all, { units }) => all + of(units), 0n)
  const tensorBytes = sum((units) => units.tensorBytes ?? 0n)
  return {
    inputTokens: tokens(sum(({ inputTokens }) => inputTokens)),
    outputTokens: tokens(sum(({ outputTokens }) => outputTokens)),
    ...(tensorBytes > 0n && { tensorBytes: bytes(tensorBytes) }),
  }
}

function expiredDetail(
  hold: Hold,
  known: Progress | LateReceipt | null,
  receipt: LateReceipt | null,
  now: Instant,
): CallDetail {
  const durationMs = Math.max(0, now - hold.startedAt)
  return {
    // Upstream always streams; whether the caller did is not known any more.
    stream: true,
    attempts: known
      ? [{ attempt: known.attempt, nodeId: known.nodeId, outcome: 'call_expired', firstTokenMs: null, durationMs }]
      : [],
    choice: null,
    receipt: receipt?.receipt ?? null,
    salt: receipt && (readTicket(receipt.ticket)?.salt ?? null),
    ticket: receipt?.ticket ?? null,
    claimed: null,
  }
}

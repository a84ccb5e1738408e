// Which late receipt belongs to which call, as rules. Who hands one in has checked both signatures, so its node was asked for its attempt;
// left to decide is whether that attempt is the one the call is, or may be, charged for. One ticket, one receipt: the first one stays.
import { sha256Hex } from '../../../protocol/canonical.ts'
import type { CallFacts } from '../../../protocol/journal.ts'
import { readTicket } from '../../../protocol/ticket.ts'
import type { AttemptRecord, CallDetail, LateReceipt, LateReceiptOutcome } from '../account-port.ts'
import type { Hold } from './hold.ts'

/** While the call is open: attempts come one after the other, so only the latest can still be charged. */
export function judgeEarly({ progress, receipt: kept }: Hold, receipt: LateReceipt): LateReceiptOutcome {
  const latest = latestOf(progress, kept)
  if (!latest || receipt.attempt > latest.attempt) return 'noted'
  if (receipt.attempt < latest.attempt || receipt.nodeId !== latest.nodeId) return 'foreign'
  return kept?.attempt === receipt.attempt ? 'known' : 'noted'
}

/** When it has ended: the attempt whose answer it was, or that ended it, and by hash the very ticket, where the line names one. */
export function judgeLate(facts: CallFacts, detail: CallDetail, receipt: LateReceipt): LateReceiptOutcome {
  // Of several asked at the same time the call's own is not the last.
  const served = detail.attempts.find(({ outcome, nodeId }) => outcome === 'served' && nodeId === facts.nodeId)
  const own = served ?? detail.attempts.at(-1)
  const isOther = own && (own.attempt !== receipt.attempt || own.nodeId !== receipt.nodeId)
  if (isOther || (facts.ticketHash !== null && facts.ticketHash !== sha256Hex(receipt.ticket))) return 'foreign'
  return detail.receipt === null ? 'recorded' : 'known'
}

/** Of a call that expired without a sign of its node, the receipt is the first one. */
export function completed(detail: CallDetail, { receipt, ticket, attempt, nodeId }: LateReceipt): CallDetail {
  const seen: AttemptRecord = { attempt, nodeId, outcome: 'call_expired', firstTokenMs: null, durationMs: 0 }
  return {
    ...detail,
    attempts: detail.attempts.length === 0 ? [seen] : detail.attempts,
    receipt,
    ticket,
    salt: detail.salt ?? readTicket(ticket)?.salt ?? null,
  }
}

type Attempt = Pick<LateReceipt, 'attempt' | 'nodeId'>

function latestOf(progress: Attempt | null, kept: Attempt | null): Attempt | null {
  if (!progress || !kept) return progress ?? kept
  return kept.attempt > progress.attempt ? kept : progress
}

// What completes a record without moving money: receipts that come late, and the head of the journal.
import { sha256Hex } from '../../../protocol/canonical.ts'
import { GENESIS_HASH, parseLine } from '../../../protocol/journal.ts'
import { nanos, type AccountId, type Instant } from '../../../protocol/units.ts'
import type { JournalHead, LateReceipt, LateReceiptOutcome } from '../account-port.ts'
import { completed, judgeEarly, judgeLate } from './late-receipt.ts'
import { writeLine, type Stores } from '../guard/stores.ts'

export function journalHead({ account }: Stores): JournalHead {
  const state = account.read()
  if (!state) return { accountId: '' as AccountId, seq: 0, hash: GENESIS_HASH, balanceNanos: nanos(0n) } // a guard that was never opened is nobody's
  return { accountId: state.id, seq: state.seq, hash: state.lastHash, balanceNanos: state.balanceNanos }
}

/**
 * Completes the record of an ended call, or keeps the receipt with an open one. Moves nothing and reopens nothing: the journal gets a line
 * without legs, so that the receipt cannot be exchanged later.
 */
export function recordReceipt(
  stores: Stores,
  receipt: LateReceipt,
  now: Instant,
): { readonly outcome: LateReceiptOutcome } {
  const hold = stores.holds.find(receipt.callId)
  if (!hold) return { outcome: 'foreign' }
  if (!hold.end) {
    const outcome = judgeEarly(hold, receipt)
    if (outcome === 'noted') stores.holds.saveReceipt(receipt)
    return { outcome }
  }
  const account = stores.account.read()
  const detail = stores.holds.ended(receipt.callId)?.detail ?? null
  const line = stores.lines.find(receipt.callId)
  const facts = line && parseLine(line.body).call
  if (!account || !facts || !detail) return { outcome: 'foreign' }
  const outcome = judgeLate(facts, detail, receipt)
  if (outcome !== 'recorded') return { outcome }
  stores.holds.saveDetail(receipt.callId, completed(detail, receipt))
  const { callId } = receipt
  writeLine(stores, account, {
    at: now,
    kind: 'receipt',
    transferId: `receipt:${callId}`,
    legs: [],
    receipt: { callId, receiptHash: sha256Hex(receipt.receipt) },
  })
  return { outcome }
}

// What completes a record without moving money: receipts that come late, and the head of the journal.
import { GENESIS_HASH } from '../../protocol/journal.ts'
import { nanos, type AccountId, type Instant } from '../../protocol/units.ts'
import type { JournalHead, LateReceipt, LateReceiptOutcome } from './account-port.ts'
import type { Stores } from './stores.ts'

export function journalHead({ account }: Stores): JournalHead {
  const state = account.read()
  if (!state) return { accountId: '' as AccountId, seq: 0, hash: GENESIS_HASH, balanceNanos: nanos(0n) } // a guard that was never opened is nobody's
  return { accountId: state.id, seq: state.seq, hash: state.lastHash, balanceNanos: state.balanceNanos }
}

export function recordReceipt(_: Stores, __: LateReceipt, ___: Instant): { readonly outcome: LateReceiptOutcome } {
  return { outcome: 'foreign' }
}

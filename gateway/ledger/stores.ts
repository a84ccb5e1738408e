// All tables of one guard, and the one way a line comes into its journal: line, balance, head of the chain and what is owed to others
// change together or not at all (the guard runs every method in one transaction).
import { assert } from '../core/errors.ts'
import { instant, isHouse, nanos } from '../../protocol/units.ts'
import { createAccountStore, type AccountState } from './account-store.ts'
import { createCreditStore, createMarkStore } from './credit-store.ts'
import { createHoldStore } from './hold-store.ts'
import { chainLine, type JournalLine, type LineDraft } from './journal.ts'
import { createKeyStore } from './key-store.ts'
import { LEDGER } from './limits.ts'
import { createLineStore } from './line-store.ts'

export type Stores = ReturnType<typeof openStores>

export const openStores = (sql: SqlStorage) => ({
  account: createAccountStore(sql),
  keys: createKeyStore(sql),
  holds: createHoldStore(sql),
  lines: createLineStore(sql),
  credits: createCreditStore(sql),
  marks: createMarkStore(sql),
})

/** @param account as it stands now; the caller is inside a transaction */
export function writeLine(stores: Stores, account: AccountState, draft: LineDraft): JournalLine {
  const { line, chained } = chainLine(draft, account.id, account.seq + 1, account.lastHash)
  const balanceNanos = nanos(account.balanceNanos + line.deltaNanos)
  assert(balanceNanos >= account.heldNanos, 'a balance never falls below what is held')
  const carryOnAt = instant(draft.at + LEDGER.alarmMs)
  stores.lines.insert(chained, draft.transferId)
  stores.account.setHead({ balanceNanos, seq: line.seq, lastHash: chained.hash }, carryOnAt)
  for (const { party, role, amountNanos } of draft.legs)
    if (role !== 'payer' && party !== account.id && !isHouse(party))
      stores.credits.gather(party, line.seq, amountNanos, carryOnAt)
  return line
}

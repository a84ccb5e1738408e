// An account that may spend nothing for a while: no new hold, no withdrawal. What runs is finished, what is earned arrives. Both the freeze
// and its end are lines of the journal, with who and why.
import type { AccountId, Instant } from '../../protocol/units.ts'
import type { Reply } from './account-port.ts'
import { refused } from './admit.ts'
import { writeLine, type Stores } from './stores.ts'
import type { Freeze, Frozen } from './transfer-port.ts'

/** Again while it is frozen: what froze it first stands. */
export function freeze(
  stores: Stores,
  { cause, reason, by }: Freeze,
  now: Instant,
): Reply<{ readonly frozen: Frozen }> {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  if (account.frozen) return { ok: true, frozen: account.frozen }
  const frozen: Frozen = { cause, reason, by, at: now }
  stores.account.setFrozen(frozen)
  const transferId = `freeze:${account.seq + 1}`
  writeLine(stores, account, { at: now, kind: 'freeze', transferId, legs: [], note: { reason, by } })
  stores.events.add({ id: transferId, kind: 'account.frozen', at: now, data: { cause, reason } })
  return { ok: true, frozen }
}

export function unfreeze(stores: Stores, reason: string, by: AccountId, now: Instant): Reply<object> {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  if (!account.frozen) return { ok: true }
  stores.account.setFrozen(null)
  const transferId = `unfreeze:${account.seq + 1}`
  writeLine(stores, account, { at: now, kind: 'unfreeze', transferId, legs: [], note: { reason, by } })
  stores.events.add({ id: transferId, kind: 'account.unfrozen', at: now, data: { reason } })
  return { ok: true }
}

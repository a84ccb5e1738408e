// An account that may spend nothing for a while: no new hold, no withdrawal. What runs is finished, what is earned arrives. Both the freeze
// and its end are lines of the journal, with who and why.
import type { AccountId, Instant } from '../../../protocol/units.ts'
import type { Reply } from '../account-port.ts'
import type { AccountState } from '../guard/account-store.ts'
import { refused } from '../calls/admit.ts'
import { writeLine, type Stores } from '../guard/stores.ts'
import type { Freeze, Frozen } from '../transfer-port.ts'

/**
 * Again while it is frozen: what froze it first stands. But a chargeback or an admin takes over from verification, whose freeze ends with
 * its finding: theirs must not end with it.
 */
export function freeze(
  stores: Stores,
  { cause, reason, by, seen }: Freeze,
  now: Instant,
): Reply<{ readonly frozen: Frozen }> {
  const before = stores.account.read()
  if (!before) return refused('not_found', 'There is no such account.')
  if (isOther(before, seen)) return refused('changed_meanwhile')
  if (before.frozen && (before.frozen.cause !== 'verification' || cause === 'verification'))
    return { ok: true, frozen: before.frozen }
  // In the journal one freeze ends before the next begins.
  if (before.frozen) end(stores, before, { reason: 'It is frozen for another cause now.', by }, now)
  const account = stores.account.read() ?? before
  const frozen: Frozen = { cause, reason, by, at: now }
  stores.account.setFrozen(frozen)
  const transferId = `freeze:${account.seq + 1}`
  writeLine(stores, account, { at: now, kind: 'freeze', transferId, legs: [], note: { reason, by } })
  stores.events.add({ id: transferId, kind: 'account.frozen', at: now, data: { cause, reason } })
  return { ok: true, frozen }
}

/** @param only ends this cause and no other: whoever asks may have read it a moment too early */
export function unfreeze(
  stores: Stores,
  {
    reason,
    by,
    only,
    seen,
  }: Pick<Freeze, 'reason' | 'seen'> & { readonly by: AccountId; readonly only?: Freeze['cause'] | undefined },
  now: Instant,
): Reply<object> {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  if (isOther(account, seen)) return refused('changed_meanwhile')
  if (!account.frozen) return { ok: true }
  if (only !== undefined && account.frozen.cause !== only)
    return refused('conflict', 'It is frozen for another cause by now.')
  end(stores, account, { reason, by }, now)
  return { ok: true }
}

/** Whether it is frozen otherwise than somebody saw it. */
const isOther = ({ frozen }: AccountState, seen: Freeze['seen']): boolean =>
  seen !== undefined && seen !== (frozen?.at ?? null)

function end(stores: Stores, account: AccountState, note: Pick<Freeze, 'reason' | 'by'>, now: Instant): void {
  stores.account.setFrozen(null)
  const transferId = `unfreeze:${account.seq + 1}`
  writeLine(stores, account, { at: now, kind: 'unfreeze', transferId, legs: [], note })
  stores.events.add({ id: transferId, kind: 'account.unfrozen', at: now, data: { reason: note.reason } })
}

// What may be done with what an account sends. It stands in the guard, so that the one admission decision of a call knows it without reading anything else,
// and of two changes at once one is told.
import type { DataPolicy, Reply } from '../account-port.ts'
import { refused } from '../calls/admit.ts'
import type { Stores } from '../guard/stores.ts'

const OPEN: DataPolicy = { dataCollection: 'allow', auditsAllowed: false, version: 0 }

/** A guard that was never opened has said nothing. */
export const readPolicy = (stores: Stores): DataPolicy => stores.account.read()?.policy ?? OPEN

/** @param policy with the version it is based on */
export function setPolicy(stores: Stores, policy: DataPolicy): Reply<{ readonly policy: DataPolicy }> {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  if (account.policy.version !== policy.version) return refused('changed_meanwhile')
  const changed = { ...policy, version: policy.version + 1 }
  stores.account.setPolicy(changed)
  return { ok: true, policy: changed }
}

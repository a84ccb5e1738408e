// From an account's id to its guard.
import type { AccountPort, Accounts } from './account-port.ts'
import type { AccountGuard } from './account-guard.ts'

/**
 * Every method of the port asks for a fresh stub: one that has thrown stays broken, and a relay keeps its port for a whole call.
 * @example createAccounts(env.ACCOUNT)(accountId).balance()
 */
export function createAccounts(namespace: DurableObjectNamespace<AccountGuard>): Accounts {
  return (accountId) => {
    const id = namespace.idFromName(accountId)
    // The runtime's type for remote methods cannot express branded bigints and `unknown`; the class implements AccountPort, and
    // everything that crosses is a structured clone of what the port says.
    const guard = () => namespace.get(id) as unknown as AccountPort
    return {
      open: (owner) => guard().open(owner),
      hold: (request) => guard().hold(request),
      progress: (report) => guard().progress(report),
      capture: (end) => guard().capture(end),
      grant: (request) => guard().grant(request),
      credit: (credit) => guard().credit(credit),
      createKey: (key) => guard().createKey(key),
      listKeys: (cursor, rows) => guard().listKeys(cursor, rows),
      revokeKey: (keyId) => guard().revokeKey(keyId),
      inspectKey: (keyId, secretHash) => guard().inspectKey(keyId, secretHash),
      balance: () => guard().balance(),
      call: (callId) => guard().call(callId),
      tick: () => guard().tick(),
    }
  }
}

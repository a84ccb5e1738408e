// From an account's id to its guard.
import type { AccountPort, Accounts } from './account-port.ts'
import type { AccountGuard } from './guard/account-guard.ts'

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
      open: (...args) => guard().open(...args),
      hold: (...args) => guard().hold(...args),
      progress: (...args) => guard().progress(...args),
      capture: (...args) => guard().capture(...args),
      recall: (...args) => guard().recall(...args),
      begin: (...args) => guard().begin(...args),
      answered: (...args) => guard().answered(...args),
      grant: (...args) => guard().grant(...args),
      refund: (...args) => guard().refund(...args),
      takeBack: (...args) => guard().takeBack(...args),
      reinstate: (...args) => guard().reinstate(...args),
      withdraw: (...args) => guard().withdraw(...args),
      returnWithdrawal: (...args) => guard().returnWithdrawal(...args),
      payAudit: (...args) => guard().payAudit(...args),
      money: (...args) => guard().money(...args),
      credit: (...args) => guard().credit(...args),
      freeze: (...args) => guard().freeze(...args),
      unfreeze: (...args) => guard().unfreeze(...args),
      frozen: (...args) => guard().frozen(...args),
      createKey: (...args) => guard().createKey(...args),
      listKeys: (...args) => guard().listKeys(...args),
      showKey: (...args) => guard().showKey(...args),
      revokeKey: (...args) => guard().revokeKey(...args),
      revokeAllKeys: (...args) => guard().revokeAllKeys(...args),
      rerollKey: (...args) => guard().rerollKey(...args),
      inspectKey: (...args) => guard().inspectKey(...args),
      setLimits: (...args) => guard().setLimits(...args),
      limits: (...args) => guard().limits(...args),
      balance: (...args) => guard().balance(...args),
      alerts: (...args) => guard().alerts(...args),
      setAlerts: (...args) => guard().setAlerts(...args),
      policy: (...args) => guard().policy(...args),
      setPolicy: (...args) => guard().setPolicy(...args),
      call: (...args) => guard().call(...args),
      lateReceipt: (...args) => guard().lateReceipt(...args),
      head: (...args) => guard().head(...args),
      lines: (...args) => guard().lines(...args),
      journal: (...args) => guard().journal(...args),
      selfCheck: (...args) => guard().selfCheck(...args),
      reproject: (...args) => guard().reproject(...args),
      tick: (...args) => guard().tick(...args),
    }
  }
}

// Where the rule of what an owner is told (account-events.ts) meets storage. Every function runs inside the transaction that did what it
// tells of: an event without its change, or the change without its event, cannot be.
import type { JournalLine } from '../../../protocol/journal.ts'
import { nanos, type Instant, type Nanos } from '../../../protocol/units.ts'
import { alertWith, balanceEvent, budgetEvent, isBudgetReached, judgeBalance } from './account-events.ts'
import type { Alerts, AlertsNow, Reply } from '../account-port.ts'
import { balanceOf, type AccountState } from '../guard/account-store.ts'
import { refused } from '../calls/admit.ts'
import type { LimitSubject } from '../limits/limit-store.ts'
import type { Use } from '../limits/limit-use.ts'
import type { Stores } from '../guard/stores.ts'

/** @param before as it stood before this line, its own hold already taken off */
export function tellOfLine(stores: Stores, before: AccountState, line: JournalLine): void {
  const { alert, heldNanos } = before
  if (line.deltaNanos === 0n || alert.thresholdNanos === 0n) return
  const vestingNanos = stores.vesting.sum(line.at)
  const balanceNanos = nanos(before.balanceNanos + line.deltaNanos)
  const own = (balance: Nanos) => nanos(balance - vestingNanos)
  const { tell, lowSince } = judgeBalance(alert, own(before.balanceNanos), own(balanceNanos), line.at)
  if (lowSince !== alert.lowSince) stores.account.setAlert({ ...alert, lowSince })
  if (!tell) return
  const { availableNanos } = balanceOf({ balanceNanos, heldNanos }, vestingNanos)
  stores.events.add(balanceEvent(line.seq, alert.thresholdNanos, availableNanos, heldNanos, line.at))
}

/** @param use before the charge */
export function tellOfBudget(stores: Stores, subject: LimitSubject, use: Use, charge: Nanos, now: Instant): void {
  if (!isBudgetReached(use, charge, now)) return
  const keyName = subject === 'account' ? null : (stores.keys.find(subject)?.name ?? null)
  const event = budgetEvent(subject, keyName, use, charge, now)
  if (event) stores.events.add(event)
}

/** A guard that was never opened tells nothing. */
export const readAlerts = (stores: Stores): AlertsNow => {
  const account = stores.account.read()
  if (!account) return { balanceLowNanos: nanos(0n), version: 0 }
  return { balanceLowNanos: account.alert.thresholdNanos, version: account.versions.alert }
}

export function setAlerts(stores: Stores, { balanceLowNanos, version }: Alerts, now: Instant): Reply<AlertsNow> {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  if (version !== undefined && version !== account.versions.alert) return refused('changed_meanwhile')
  if (balanceLowNanos < 0n) return refused('invalid_request', 'A threshold is not below nothing.')
  // The same threshold again must not forget that the balance is low: it would be told twice.
  if (balanceLowNanos !== account.alert.thresholdNanos) {
    const own = nanos(account.balanceNanos - stores.vesting.sum(now))
    stores.account.setAlert(alertWith(balanceLowNanos, own, now))
  }
  stores.account.countUp('alert')
  return { ok: true, ...readAlerts(stores) }
}

// What a webhook can tell of, in words.
import type { EventKind } from '../../../protocol/webhook.ts'

export const EVENT_NAMES: Readonly<Record<EventKind, string>> = {
  'balance.low': 'The balance fell below the alert',
  'budget.reached': 'A budget was reached',
  'refund.created': 'A call was refunded',
  'account.frozen': 'The account was frozen',
  'account.unfrozen': 'The account can be used again',
  'statement.ready': 'A monthly statement is ready',
  'payout_address.changed': 'A new pay-out address was asked for',
  'member.changing': 'A change of owners was asked for',
  'dispute.rejected': 'A dispute was rejected',
}

/** As they are listed. */
export const EVENT_KINDS = Object.keys(EVENT_NAMES) as readonly EventKind[] // the table has them all and no other

/** New kinds may come: those are shown as they are called. */
export const eventName = (kind: string): string =>
  kind === 'test' ? 'Test' : Object.hasOwn(EVENT_NAMES, kind) ? EVENT_NAMES[kind as EventKind] : kind // just looked up

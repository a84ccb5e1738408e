// How much of a balance was earned, and what of it may be withdrawn. What the house gave (grants, codes, the faucet) and what came through a
// payment processor can be spent but not taken out: gifts are for using the market, and a card's money goes back the way it came. Gifts
// and payments are spent first, so earnings stay withdrawable as long as anything else pays.
import type { JournalLine } from '../../../protocol/journal.ts'
import { nanos, type Nanos } from '../../../protocol/units.ts'
import type { Balance } from '../account-port.ts'

/** Kinds of lines whose delta is earnings that come or go. A refund is none: it gives back what was spent, to be spent again. */
const EARNING: ReadonlySet<JournalLine['kind']> = new Set([
  'credit',
  'audit',
  'clawback',
  'withdrawal',
  'withdrawal_return',
])

/**
 * The earned part of `balanceNanos`, the balance after `line`.
 * @example earnedAfter(4n, { kind: 'call', deltaNanos: -8n }, 6n) // 4n: the call was paid from the rest
 */
export function earnedAfter(earned: Nanos, line: Pick<JournalLine, 'kind' | 'deltaNanos'>, balance: Nanos): Nanos {
  const sum = EARNING.has(line.kind) ? earned + line.deltaNanos : earned
  if (sum <= 0n) return nanos(0n)
  return nanos(sum < balance ? sum : balance)
}

/** Earned, vested, and not set aside. */
export function withdrawableOf(earned: Nanos, { availableNanos, vestingNanos }: Balance): Nanos {
  const vested = earned - vestingNanos
  if (vested <= 0n) return nanos(0n)
  return nanos(vested < availableNanos ? vested : availableNanos)
}

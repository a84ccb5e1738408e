import { describe, expect, it } from 'vitest'
import { earnedAfter, withdrawableOf } from '../../../../gateway/ledger/payouts/earned.ts'
import type { LineKind } from '../../../../protocol/journal.ts'
import { nanos } from '../../../../protocol/units.ts'

describe('what a balance has of earnings', () => {
  const cases: [string, LineKind, bigint, bigint, bigint, bigint][] = [
    // what, kind, earned before, delta, balance after, earned after
    ['a gift is none', 'grant', 0n, 10n, 10n, 0n],
    ['a payment is none', 'topup', 3n, 10n, 13n, 3n],
    ['a refund is spent again, not taken out', 'refund', 3n, 10n, 13n, 3n],
    ['a credit is', 'credit', 3n, 5n, 20n, 8n],
    ['a paid audit is', 'audit', 0n, 5n, 5n, 5n],
    ['a call is paid from the rest first', 'call', 4n, -8n, 4n, 4n],
    ['and from earnings when nothing else is left', 'call', 4n, -9n, 3n, 3n],
    ['a withdrawal lowers them', 'withdrawal', 5n, -5n, 9n, 0n],
    ['a returned one raises them again', 'withdrawal_return', 0n, 5n, 14n, 5n],
    ['a clawback lowers them, whatever else there is', 'clawback', 5n, -2n, 100n, 3n],
    ['a clawback of more than was earned leaves none', 'clawback', 5n, -9n, 100n, 0n],
    ['a chargeback takes the rest first', 'chargeback', 5n, -9n, 5n, 5n],
    ['and earnings after it', 'chargeback', 5n, -10n, 4n, 4n],
  ]
  it.each(cases)('%s', (_, kind, before, delta, balance, after) => {
    expect(earnedAfter(nanos(before), { kind, deltaNanos: nanos(delta) }, nanos(balance))).toBe(after)
  })
})

describe('what may be withdrawn', () => {
  it.each([
    ['all that was earned', 7n, 9n, 0n, 7n],
    ['never more than is free', 7n, 6n, 0n, 6n],
    ['never what has not vested, though gifts are free', 7n, 9n, 4n, 3n],
    ['nothing when all of it vests later', 7n, 9n, 7n, 0n],
    ['nothing when more vests than was left', 7n, 9n, 8n, 0n],
  ])('%s', (_, earned, available, vesting, most) => {
    const balance = { availableNanos: nanos(available), heldNanos: nanos(1n), vestingNanos: nanos(vesting) }
    expect(withdrawableOf(nanos(earned), balance)).toBe(most)
  })
})

// Money that comes into an account: from the house (grants, codes, the faucet) and from other accounts (credits). Each has an id, and the
// same id is never counted twice.
import { parseLine, sumLegs, type Leg } from '../../../protocol/journal.ts'
import { HOUSE, isAccountId, nanos, type AccountId, type Instant } from '../../../protocol/units.ts'
import { logError } from '../../core/errors.ts'
import type { Reply } from '../account-port.ts'
import { refused } from '../calls/admit.ts'
import { LEDGER } from '../limits/limits.ts'
import { currentBalance, writeLine, type Stores } from './stores.ts'
import type { Credit, GrantRequest, Moved } from '../transfer-port.ts'

/** Who pays for each kind. */
const SOURCE: Readonly<Record<GrantRequest['kind'], AccountId>> = {
  grant: HOUSE.grants,
  code: HOUSE.grants,
  faucet: HOUSE.grants,
  topup: HOUSE.payments,
}

export function grant(stores: Stores, request: GrantRequest, now: Instant): Moved {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  if (request.amountNanos <= 0n) return refused('invalid_request', 'A grant gives more than nothing.')
  const earlier = stores.lines.find(request.transferId)
  if (earlier) {
    const line = parseLine(earlier.body)
    const isSame = line.kind === request.kind && sumLegs(line.legs, account.id) === request.amountNanos
    if (!isSame) return refused('conflict', 'This id was used for another transfer.')
    return { ok: true, seq: line.seq, balance: currentBalance(stores, now) }
  }
  if (account.balanceNanos + request.amountNanos > LEDGER.balanceMaxNanos)
    return refused('conflict', 'The account would hold more than an account can.')
  const legs: Leg[] = [
    { party: SOURCE[request.kind], role: 'house', amountNanos: nanos(-request.amountNanos) },
    { party: account.id, role: 'receiver', amountNanos: request.amountNanos },
  ]
  const { seq } = writeLine(stores, account, {
    at: now,
    kind: request.kind,
    transferId: request.transferId,
    legs,
    grant: { reason: request.reason, by: request.by },
  })
  return { ok: true, seq, balance: currentBalance(stores, now) }
}

export function credit(stores: Stores, received: Credit, now: Instant): Reply<object> {
  const { payer, fromSeq, toSeq, sumNanos } = received
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  const mark = stores.marks.of(payer)
  if (toSeq <= mark) return { ok: true }
  if (fromSeq <= mark || fromSeq > toSeq || sumNanos <= 0n || !isWhole(received) || !isAccountId(payer)) {
    logError(new Error(`credit of ${payer} ${fromSeq}…${toSeq} does not follow ${mark}, or does not add up`), null)
    return refused('conflict')
  }
  stores.marks.set(payer, toSeq)
  stores.account.addFees(received.feesNanos)
  stores.vesting.forget(now)
  for (const part of received.vesting) if (part.until > now) stores.vesting.add(part)
  writeLine(stores, account, {
    at: now,
    kind: 'credit',
    transferId: `credit:${payer}:${fromSeq}-${toSeq}`,
    legs: [],
    credit: { ...received, vesting: [...received.vesting] },
  })
  return { ok: true }
}

function isWhole({ sumNanos, operatorNanos, authorNanos, feesNanos, vesting }: Credit): boolean {
  const later = vesting.reduce((sum, { amountNanos }) => sum + amountNanos, 0n)
  const parts = [operatorNanos, authorNanos, feesNanos, ...vesting.map(({ amountNanos }) => amountNanos)]
  return operatorNanos + authorNanos === sumNanos && later <= operatorNanos && parts.every((part) => part >= 0n)
}

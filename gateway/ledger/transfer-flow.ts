// Money that comes into an account: from the house (grants, codes, the faucet) and from other accounts (credits). Each has an id, and the
// same id is never counted twice.
import { HOUSE, nanos, type Instant } from '../../protocol/units.ts'
import { logError } from '../core/errors.ts'
import type { Balance, Credit, GrantRequest, Leg, Reply } from './account-port.ts'
import { balanceOf } from './account-store.ts'
import { refused } from './admit.ts'
import { parseLine } from './journal.ts'
import { sumLegs } from './split.ts'
import { writeLine, type Stores } from './stores.ts'

/** An account holds at most this much, so that every amount stays a safe integer with room for earnings: about 8 million dollars. */
const BALANCE_MAX_NANOS = 8_000_000_000_000_000n

type Granted = Reply<{ readonly seq: number; readonly balance: Balance }>

export function grant(stores: Stores, request: GrantRequest, now: Instant): Granted {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  if (request.amountNanos <= 0n) return refused('invalid_request', 'A grant gives more than nothing.')
  const earlier = stores.lines.find(request.transferId)
  if (earlier) {
    const line = parseLine(earlier.body)
    const isSame = line.kind === request.kind && sumLegs(line.legs, account.id) === request.amountNanos
    if (!isSame) return refused('conflict', 'This id was used for another transfer.')
    return { ok: true, seq: line.seq, balance: balanceOf(account) }
  }
  if (account.balanceNanos + request.amountNanos > BALANCE_MAX_NANOS)
    return refused('conflict', 'The account would hold more than an account can.')
  const legs: Leg[] = [
    { party: HOUSE.grants, role: 'house', amountNanos: nanos(-request.amountNanos) },
    { party: account.id, role: 'receiver', amountNanos: request.amountNanos },
  ]
  const { seq, deltaNanos } = writeLine(stores, account, {
    at: now,
    kind: request.kind,
    transferId: request.transferId,
    legs,
    grant: { reason: request.reason, by: request.by },
  })
  return { ok: true, seq, balance: balanceOf({ ...account, balanceNanos: nanos(account.balanceNanos + deltaNanos) }) }
}

export function credit(stores: Stores, { payer, fromSeq, toSeq, sumNanos }: Credit, now: Instant): Reply<object> {
  const account = stores.account.read()
  if (!account) return refused('not_found', 'There is no such account.')
  const mark = stores.marks.of(payer)
  if (toSeq <= mark) return { ok: true }
  if (fromSeq <= mark || fromSeq > toSeq || sumNanos <= 0n) {
    logError(new Error(`credit of ${payer} ${fromSeq}…${toSeq} does not follow ${mark}`), null)
    return refused('conflict')
  }
  stores.marks.set(payer, toSeq)
  writeLine(stores, account, {
    at: now,
    kind: 'credit',
    transferId: `credit:${payer}:${fromSeq}-${toSeq}`,
    legs: [],
    credit: { payer, fromSeq, toSeq, sum: sumNanos },
  })
  return { ok: true }
}

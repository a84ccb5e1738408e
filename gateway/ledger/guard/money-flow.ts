// Money that goes back or out: refunds, money taken back, withdrawals, audits paid. Each names what it corrects, each id moves once, and an
// account never falls below what it holds. What a request leaves open (all that is left, at most the cap) is decided here, where no
// second request can come between.
import { parseLine, sumLegs, type JournalLine, type Leg } from '../../../protocol/journal.ts'
import { HOUSE, isCallId, nanos, toUsd, type AccountId, type Instant, type Nanos } from '../../../protocol/units.ts'
import type { AccountState } from './account-store.ts'
import { refused } from '../calls/admit.ts'
import { withdrawableOf } from '../payouts/earned.ts'
import { freeze } from '../policy/freeze-flow.ts'
import { LEDGER } from '../limits/limits.ts'
import { balanceAt, currentBalance, writeLine, type Stores } from './stores.ts'
import type {
  AuditPay,
  Moved,
  MovedSome,
  MoneyView,
  RefundRequest,
  ReinstateRequest,
  ReturnRequest,
  TakeBackRequest,
  TransferPort,
  WithdrawRequest,
} from '../transfer-port.ts'

type TakenBack = Awaited<ReturnType<TransferPort['takeBack']>>

export function refund(stores: Stores, request: RefundRequest, now: Instant): MovedSome {
  const { transferId, callId, amountNanos, reason, by } = request
  const account = stores.account.read()
  if (!account) return unknownAccount()
  if (amountNanos !== null && amountNanos <= 0n) return refused('invalid_request', 'A refund gives more than nothing.')
  const earlier = lineOf(stores, transferId)
  if (earlier) {
    const isSame =
      earlier.kind === 'refund' &&
      earlier.correction?.of === callId &&
      (amountNanos === null || amountNanos === earlier.deltaNanos)
    return isSame ? moved(stores, earlier, now) : otherTransfer()
  }
  const call = isCallId(callId) ? lineOf(stores, callId) : null
  if (!call) return refused('call_not_found')
  const refunded = stores.refunds.of(callId)
  // What this account earned by its own call has come back to it already.
  const left = nanos(-call.deltaNanos - refunded)
  const amount = amountNanos ?? left
  if (amount > left || amount <= 0n) return refused('refund_exceeds_charge', `${toUsd(left)} dollars are left.`)
  if (account.balanceNanos + amount > LEDGER.balanceMaxNanos) return tooMuch()
  stores.refunds.set(callId, nanos(refunded + amount))
  const line = writeLine(stores, account, {
    at: now,
    kind: 'refund',
    transferId,
    legs: give(HOUSE.refunds, account.id, amount),
    correction: { of: callId, ofAccount: account.id, reason, by, owedNanos: nanos(0n) },
  })
  stores.events.add({
    id: transferId,
    kind: 'refund.created',
    at: now,
    data: { callId, amount: toUsd(amount), reason, seq: line.seq },
  })
  return moved(stores, line, now)
}

export function takeBack(stores: Stores, request: TakeBackRequest, now: Instant): TakenBack {
  const { transferId, kind, of, ofAccount, reason, by } = request
  const account = stores.account.read()
  if (!account) return unknownAccount()
  if (request.amountNanos <= 0n) return refused('invalid_request', 'More than nothing is taken back.')
  const earlier = lineOf(stores, transferId)
  if (earlier) return isSameTaking(earlier, request) ? takenBack(stores, earlier, now) : otherTransfer()
  // Of a payment that never arrived nothing can be charged back: the processor is told to come again.
  if (kind === 'chargeback' && lineOf(stores, of)?.kind !== 'topup')
    return refused('not_found', 'There is no such payment.')
  const before = request.isTotal ? stores.refunds.of(of) : 0n
  const wanted = request.amountNanos - before
  if (wanted <= 0n) return takenNothing(stores, account, now)
  if (request.isTotal) stores.refunds.set(of, request.amountNanos)
  const free = account.balanceNanos - account.heldNanos
  const taken = nanos(wanted < free ? wanted : free)
  const owedNanos = nanos(wanted - taken)
  const { availableNanos } = balanceAt(stores, account, now)
  if (taken > availableNanos) stores.vesting.take(nanos(taken - availableNanos), now)
  const line = writeLine(stores, account, {
    at: now,
    kind,
    transferId,
    legs: take(account.id, kind === 'chargeback' ? HOUSE.payments : HOUSE.refunds, taken),
    correction: { of, ofAccount, reason, by, owedNanos },
  })
  // A refund at the processor is our own doing, often more than what is left; a dispute is somebody's word against the account.
  if (kind === 'chargeback' && !request.isTotal && owedNanos > 0n)
    freeze(stores, { cause: 'chargeback', reason, by }, now)
  return takenBack(stores, line, now)
}

export function reinstate(stores: Stores, { chargeback, reason }: ReinstateRequest, now: Instant): MovedSome {
  const account = stores.account.read()
  if (!account) return unknownAccount()
  const transferId = `reinstated:${chargeback}`
  const earlier = lineOf(stores, transferId)
  if (earlier) return moved(stores, earlier, now)
  const taken = lineOf(stores, chargeback)
  if (taken?.kind !== 'chargeback') return refused('not_found', 'There is no such chargeback.')
  const line = writeLine(stores, account, {
    at: now,
    kind: 'topup',
    transferId,
    legs: give(HOUSE.payments, account.id, nanos(-taken.deltaNanos)),
    correction: { of: chargeback, ofAccount: account.id, reason, by: null, owedNanos: nanos(0n) },
  })
  return moved(stores, line, now)
}

export function withdraw(stores: Stores, request: WithdrawRequest, now: Instant): Moved {
  const { transferId, amountNanos, address } = request
  const account = stores.account.read()
  if (!account) return unknownAccount()
  if (amountNanos <= 0n || amountNanos % LEDGER.withdrawStepNanos !== 0n)
    return refused('invalid_request', 'A withdrawal is more than nothing, in whole millionths of a dollar.')
  const earlier = lineOf(stores, transferId)
  if (earlier) {
    const isSame =
      earlier.kind === 'withdrawal' && -earlier.deltaNanos === amountNanos && earlier.withdrawal?.address === address
    return isSame ? { ok: true, seq: earlier.seq, balance: currentBalance(stores, now) } : otherTransfer()
  }
  if (account.frozen) return refused('account_frozen')
  const most = withdrawableOf(account.earnedNanos, balanceAt(stores, account, now))
  if (amountNanos > most) return refused('not_withdrawable', `That is ${toUsd(most)} dollars.`)
  const { seq } = writeLine(stores, account, {
    at: now,
    kind: 'withdrawal',
    transferId,
    legs: take(account.id, HOUSE.payouts, amountNanos),
    withdrawal: { address },
  })
  return { ok: true, seq, balance: currentBalance(stores, now) }
}

export function returnWithdrawal(stores: Stores, request: ReturnRequest, now: Instant): MovedSome {
  const { transferId, withdrawal, reason, by } = request
  const account = stores.account.read()
  if (!account) return unknownAccount()
  const earlier = lineOf(stores, transferId)
  if (earlier) {
    const isSame = earlier.kind === 'withdrawal_return' && earlier.correction?.of === withdrawal
    return isSame ? moved(stores, earlier, now) : otherTransfer()
  }
  const paid = lineOf(stores, withdrawal)
  if (paid?.kind !== 'withdrawal') return refused('not_found', 'There is no such withdrawal.')
  if (stores.refunds.of(withdrawal) > 0n) return refused('conflict', 'This withdrawal has come back already.')
  const amount = nanos(-paid.deltaNanos)
  stores.refunds.set(withdrawal, amount)
  const line = writeLine(stores, account, {
    at: now,
    kind: 'withdrawal_return',
    transferId,
    legs: give(HOUSE.payouts, account.id, amount),
    correction: { of: withdrawal, ofAccount: account.id, reason, by, owedNanos: nanos(0n) },
  })
  return moved(stores, line, now)
}

/** At most what the fees of this operator's other calls leave: an operator's own calls cannot make the house pay more than they brought it. */
export function payAudit(stores: Stores, { transferId, amountNanos, reason }: AuditPay, now: Instant): MovedSome {
  const account = stores.account.read()
  if (!account) return unknownAccount()
  if (amountNanos <= 0n) return refused('invalid_request', 'An audit pays more than nothing.')
  const earlier = lineOf(stores, transferId)
  if (earlier) {
    const isSame = earlier.kind === 'audit' && earlier.deltaNanos <= amountNanos
    return isSame ? moved(stores, earlier, now) : otherTransfer()
  }
  const cap = account.feesNanos - account.auditsNanos
  const amount = nanos(cap <= 0n ? 0n : cap < amountNanos ? cap : amountNanos)
  stores.account.addAudits(amount)
  const line = writeLine(stores, account, {
    at: now,
    kind: 'audit',
    transferId,
    legs: give(HOUSE.audits, account.id, amount, 'operator'),
    grant: { reason, by: null },
  })
  return moved(stores, line, now)
}

export function moneyView(stores: Stores, now: Instant): MoneyView | null {
  const account = stores.account.read()
  if (!account) return null
  const balance = balanceAt(stores, account, now)
  const { feesNanos, auditsNanos, frozen, seq } = account
  const withdrawableNanos = withdrawableOf(account.earnedNanos, balance)
  return { ...balance, vesting: stores.vesting.after(now), withdrawableNanos, feesNanos, auditsNanos, frozen, seq }
}

function lineOf(stores: Stores, transferId: string): JournalLine | null {
  const chained = stores.lines.find(transferId)
  return chained && parseLine(chained.body)
}

/** Nothing has no legs: the line only puts on record that it was asked for. */
const give = (house: AccountId, party: AccountId, amount: Nanos, role: Leg['role'] = 'receiver'): Leg[] =>
  amount === 0n
    ? []
    : [
        { party: house, role: 'house', amountNanos: nanos(-amount) },
        { party, role, amountNanos: amount },
      ]

const take = (party: AccountId, house: AccountId, amount: Nanos): Leg[] =>
  amount === 0n
    ? []
    : [
        { party, role: 'payer', amountNanos: nanos(-amount) },
        { party: house, role: 'house', amountNanos: amount },
      ]

const isSameTaking = ({ kind, correction, deltaNanos }: JournalLine, request: TakeBackRequest): boolean =>
  kind === request.kind &&
  correction?.of === request.of &&
  (request.isTotal === true || correction.owedNanos - deltaNanos === request.amountNanos)

function moved(stores: Stores, { seq, legs, account }: JournalLine, now: Instant): MovedSome {
  return { ok: true, seq, movedNanos: sumLegs(legs, account), balance: currentBalance(stores, now) }
}

function takenBack(stores: Stores, { seq, deltaNanos, correction }: JournalLine, now: Instant): TakenBack {
  const owedNanos = correction?.owedNanos ?? nanos(0n)
  return { ok: true, seq, takenNanos: nanos(-deltaNanos), owedNanos, balance: currentBalance(stores, now) }
}

/** A total that earlier totals have covered. */
const takenNothing = (stores: Stores, { seq }: AccountState, now: Instant): TakenBack => ({
  ok: true,
  seq,
  takenNanos: nanos(0n),
  owedNanos: nanos(0n),
  balance: currentBalance(stores, now),
})

const unknownAccount = () => refused('not_found', 'There is no such account.')
const otherTransfer = () => refused('conflict', 'This id was used for another transfer.')
const tooMuch = () => refused('conflict', 'The account would hold more than an account can.')

// From requested withdrawals to one file for whoever pays, and back when one could not be paid. The file leaves out who is frozen or under an
// open alert; what goes back is first taken out of every file's reach, and only then given back in the guard.
import { newCallId, type AccountId, type Instant, type RandomBytes } from '../../../protocol/units.ts'
import type { PayoutReply } from '../../../protocol/money.ts'
import { toUsd } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { assert, GatewayError, logError } from '../../core/errors.ts'
import { refusal } from '../../core/refusal.ts'
import type { Accounts } from '../account-port.ts'
import { LEDGER } from '../limits/limits.ts'
import { sumOf } from './payout-file.ts'
import type { Withdrawal, WithdrawalBook } from './withdrawal-book.ts'
import { withdrawalLines } from './withdrawal-lines-book.ts'

export interface PayoutNeeds {
  readonly book: WithdrawalBook
  /** the books of the journals */
  readonly books: readonly D1Database[]
  readonly accounts: Accounts
  readonly clock: Clock
  readonly random: RandomBytes
}

type LeftOut = PayoutReply['leftOut'][number]
/** How many guards are asked at the same time: six connections are open at once anyway. */
const PARALLEL = 6

export async function makePayout(needs: PayoutNeeds): Promise<PayoutReply> {
  const now = needs.clock()
  await findLost(needs, now)
  const { payable, leftOut, more } = await chooseRows(needs)
  if (payable.length === 0) return { batchId: null, count: 0, usd: toUsd(sumOf([])), leftOut, more }
  // Sorts by time, like a call's id.
  const batchId = newCallId(now, needs.random).replace('call_', 'po_')
  const filed = await needs.book.file(
    payable.map(({ id }) => id),
    batchId,
  )
  const isEmpty = filed.length === 0
  return { batchId: isEmpty ? null : batchId, count: filed.length, usd: toUsd(sumOf(filed)), leftOut, more }
}

/** Rows that were never written: their money has left the account, so they are owed. */
async function findLost({ book, books }: PayoutNeeds, now: Instant): Promise<void> {
  const since = Math.max(0, now - LEDGER.payoutSearchMs) as Instant // a difference of instants, and not below the epoch
  for (const database of books) for await (const page of withdrawalLines(database, since)) await book.add(page)
}

/** Oldest first, until the file is full. */
async function chooseRows({ book, accounts }: PayoutNeeds) {
  const alerted = await book.alerted()
  const asked = new Map<AccountId, string | null>()
  const payable: Withdrawal[] = []
  const leftOut: LeftOut[] = []
  let sum = 0n
  let place: Withdrawal | null = null
  for (;;) {
    const page: Withdrawal[] = await book.waiting(
      place && { at: place.requestedAt, id: place.id },
      LEDGER.payoutPageRows,
    )
    await askGuards(accounts, page, alerted, asked)
    for (const row of page) {
      const reason = asked.get(row.accountId) ?? null
      if (reason !== null) {
        leftOut.push({ id: row.id, accountId: row.accountId, reason })
        continue
      }
      sum += row.amountNanos
      const isFull = payable.length >= LEDGER.payoutRowsMax || (payable.length > 0 && sum > LEDGER.payoutMaxNanos)
      if (isFull) return { payable, leftOut, more: true }
      payable.push(row)
    }
    if (page.length < LEDGER.payoutPageRows) return { payable, leftOut, more: false }
    if (asked.size >= LEDGER.payoutAccountsMax) return { payable, leftOut, more: true }
    place = page.at(-1) ?? null
  }
}

/** Notes why an account's money may not go out; null: it may. */
async function askGuards(
  accounts: Accounts,
  page: readonly Withdrawal[],
  alerted: ReadonlySet<string>,
  asked: Map<AccountId, string | null>,
): Promise<void> {
  const fresh = [...new Set(page.map(({ accountId }) => accountId))].filter((id) => !asked.has(id))
  for (let at = 0; at < fresh.length; at += PARALLEL) {
    await Promise.all(
      fresh.slice(at, at + PARALLEL).map(async (id) => {
        asked.set(id, alerted.has('house') || alerted.has(id) ? 'alert' : await whyFrozen(accounts, id))
      }),
    )
  }
}

async function whyFrozen(accounts: Accounts, id: AccountId): Promise<string | null> {
  try {
    return (await accounts(id).frozen()) ? 'account_frozen' : null
  } catch (error) {
    logError(error, null)
    return 'unavailable'
  }
}

/** Repeated safely. @throws GatewayError not_found; withdrawal_paid for one that was paid out */
export async function returnOne(
  { book, accounts, clock }: PayoutNeeds,
  id: string,
  reason: string,
  by: AccountId,
): Promise<Withdrawal> {
  const begun = await book.beginReturn(id)
  if (begun) {
    const { accountId, transferId: withdrawal } = begun
    const request = { transferId: `return:${withdrawal}`, withdrawal, reason, by }
    const reply = await accounts(accountId).returnWithdrawal(request)
    if (!reply.ok) throw refusal(reply)
    await book.endReturn(id, clock())
  }
  const row = await book.find(id)
  if (!row) throw new GatewayError('not_found', { detail: 'There is no such withdrawal.' })
  if (row.state === 'paid') throw new GatewayError('withdrawal_paid')
  assert(row.state === 'returned', 'what was begun was ended')
  return row
}

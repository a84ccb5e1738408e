// Books what a processor says, once per fact however often, in whatever order and by however many isolates at once it is told: every transfer id
// is made of the processor's own references. What cannot be booked yet is refused, so that the processor tells it again; what can never be is
// raised as an alert and acknowledged, so that it does not.
import { isAccountId, isHouse, toUsd } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { refusal } from '../../core/refusal.ts'
import type { Accounts, Reply } from '../account-port.ts'
import { createAccountBook } from '../book/account-book.ts'
import { createPaymentBook, type Payment } from './payment-book.ts'
import type { PaymentEvent } from './payment-port.ts'

export interface PaymentNeeds {
  /** the registry */
  readonly db: D1Database
  readonly accounts: Accounts
  readonly clock: Clock
}

export function createPaymentDesk({ db, accounts, clock }: PaymentNeeds) {
  const registered = createAccountBook(db)
  const book = createPaymentBook(db)

  const tell = (reference: string, detail: string) => book.raise(reference, detail, clock())
  const raise = (reference: string, why: string) => tell(reference, `A payment event was not booked: ${why}.`)

  /** @throws GatewayError for what another try may mend */
  const settle = async (reference: string, reply: Reply<object>): Promise<void> => {
    if (reply.ok) return
    if (reply.code !== 'conflict') throw refusal(reply)
    await raise(reference, reply.detail ?? reply.code)
  }

  /**
   * Null: it was raised and never booked, so there is nothing to reverse; told again for days, it would only make the processor give up on us.
   * @throws GatewayError not_found: it may still come
   */
  const known = async (processor: string, payment: string): Promise<Payment | null> => {
    const id = `${processor}:${payment}`
    const found = await book.find(id)
    if (!found && !(await book.wasRaised(id)))
      throw new GatewayError('not_found', { detail: 'This payment is not known yet.' })
    return found
  }

  const topUp = async (processor: string, event: Extract<PaymentEvent, { kind: 'topup' }>): Promise<void> => {
    const { payment, accountId, amountNanos } = event
    const id = `${processor}:${payment}`
    if (!isAccountId(accountId) || isHouse(accountId) || !(await registered.exists(accountId)))
      return raise(id, 'there is no such account')
    const transferId = `topup:${id}`
    const claimed = await book.claim({ id, accountId, amountNanos, transferId }, clock())
    if (claimed.accountId !== accountId || claimed.amountNanos !== amountNanos)
      return raise(id, `it was booked for another account or amount (${toUsd(claimed.amountNanos)})`)
    const guard = accounts(accountId)
    await guard.open(accountId, await registered.bookIndex(accountId))
    await settle(id, await guard.grant({ transferId, kind: 'topup', amountNanos, reason: id, by: null }))
  }

  const takeBack = async (
    processor: string,
    event: Extract<PaymentEvent, { kind: 'chargeback' | 'refunded' }>,
  ): Promise<void> => {
    const payment = await known(processor, event.payment)
    if (!payment) return
    const { accountId, transferId: of, id } = payment
    const isTotal = event.kind === 'refunded'
    const amountNanos = isTotal ? event.totalNanos : event.amountNanos
    const reference = isTotal ? `refunded:${id}:${amountNanos}` : `chargeback:${processor}:${event.dispute}`
    const reason = isTotal ? `refunded at ${processor}` : `charged back: ${event.dispute}`
    const request = { transferId: reference, kind: 'chargeback', of, ofAccount: accountId, amountNanos } as const
    const taken = await accounts(accountId).takeBack({ ...request, isTotal, reason, by: null })
    await settle(reference, taken)
    // A dispute froze the account; of a refund that gave more than there was, somebody is told.
    if (isTotal && taken.ok && taken.owedNanos > 0n)
      await tell(reference, `A refund gave back ${toUsd(taken.owedNanos)} dollars that ${accountId} had not left.`)
  }

  return async (processor: string, event: PaymentEvent): Promise<void> => {
    switch (event.kind) {
      case 'topup':
        return topUp(processor, event)
      case 'chargeback':
      case 'refunded':
        return takeBack(processor, event)
      case 'reinstated': {
        const payment = await known(processor, event.payment)
        if (!payment) return
        const chargeback = `chargeback:${processor}:${event.dispute}`
        const reply = await accounts(payment.accountId).reinstate({ chargeback, reason: `won: ${event.dispute}` })
        return settle(`reinstated:${chargeback}`, reply)
      }
      case 'unbookable':
        return raise(`${processor}:${event.reference}`, event.why)
      default:
        return event satisfies never
    }
  }
}

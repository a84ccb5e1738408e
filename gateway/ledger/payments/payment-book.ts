// Which payment topped up which account, in the registry: found again when the payment is reversed. A row is a claim, written before the money
// moves: two events that name one payment for two accounts cannot both be booked.
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { alerts, payments } from '../../../db/money-schema.ts'
import {
  fromSqlInteger,
  isAccountId,
  nanos,
  toSqlInteger,
  type AccountId,
  type Instant,
  type Nanos,
} from '../../../protocol/units.ts'
import { assert } from '../../core/errors.ts'

export interface Payment {
  /** processor:reference */
  readonly id: string
  readonly accountId: AccountId
  readonly amountNanos: Nanos
  readonly transferId: string
}

/** What alerts about payments are about: neither an account nor the house, so that they stop nobody's money. */
const SUBJECT = 'payments'

const alertOf = (reference: string): string => `payment:${SUBJECT}:${reference}`

export function createPaymentBook(registry: D1Database) {
  const db = drizzle(registry)
  const find = async (id: string): Promise<Payment | null> => {
    const [row] = await db.select().from(payments).where(eq(payments.id, id))
    if (!row) return null
    assert(isAccountId(row.accountId), 'a payment belongs to an account')
    const { accountId, transferId } = row
    return { id, accountId, transferId, amountNanos: nanos(fromSqlInteger(row.amountNanos)) }
  }
  return {
    find,

    /** @returns whose it is: the first that claimed it */
    async claim(payment: Payment, now: Instant): Promise<Payment> {
      const row = { ...payment, amountNanos: toSqlInteger(payment.amountNanos), createdAt: now }
      await db.insert(payments).values(row).onConflictDoNothing()
      const claimed = await find(payment.id)
      assert(claimed, 'the payment was just written')
      return claimed
    },

    /** Whether a person has been told of it, whatever came of that. */
    async wasRaised(reference: string): Promise<boolean> {
      return (await db.$count(alerts, eq(alerts.id, alertOf(reference)))) > 0
    },

    /** Once per reference: the same finding is one row. */
    async raise(reference: string, detail: string, now: Instant): Promise<void> {
      const id = alertOf(reference)
      await db.insert(alerts).values({ id, kind: 'payment', subject: SUBJECT, detail, at: now }).onConflictDoNothing()
    },
  }
}

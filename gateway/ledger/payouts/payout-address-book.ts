// Pay-out addresses in the registry: every change is a row, told to its owner by an event of the same batch, so that none comes unseen. One change
// is pending at most: a newer one takes the earlier one back in the batch that writes it, and of two at the same moment the later batch counts.
import { and, desc, eq, gt, isNull, sql, type SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { events, payoutAddresses } from '../../../db/money-schema.ts'
import type { PayoutAddressView } from '../../../protocol/auth.ts'
import { instant, type AccountId, type Instant } from '../../../protocol/units.ts'
import type { EventData, EventKind } from '../../../protocol/webhook.ts'
import type { Clock } from '../../core/clock.ts'
import { LEDGER } from '../limits/limits.ts'
import { payoutStand, type PayoutChange, type PayoutStand } from './payout-address.ts'

const DAY_MS = 86_400_000
const KIND: EventKind = 'payout_address.changed'

export type PayoutAddressBook = ReturnType<typeof createPayoutAddressBook>

export function createPayoutAddressBook(registry: D1Database, clock: Clock) {
  const db = drizzle(registry)
  const isOf = (accountId: AccountId) => eq(payoutAddresses.accountId, accountId)

  const stand = async (accountId: AccountId): Promise<PayoutStand> => {
    const rows = await db
      .select()
      .from(payoutAddresses)
      .where(and(isOf(accountId), isNull(payoutAddresses.cancelledAt)))
      .orderBy(desc(payoutAddresses.effectiveAt))
      .limit(2)
    return payoutStand(rows.map(changeOf), clock())
  }
  /** ms of every change of the last day, the oldest first: also of those that were taken back. */
  const lately = async (accountId: AccountId, now: Instant): Promise<number[]> => {
    const { requestedAt } = payoutAddresses
    const rows = await db
      .select({ requestedAt })
      .from(payoutAddresses)
      .where(and(isOf(accountId), gt(requestedAt, now - DAY_MS)))
      .orderBy(requestedAt)
    return rows.map((row) => row.requestedAt)
  }
  const takeBack = (accountId: AccountId, now: Instant, isIt?: SQL) =>
    db
      .update(payoutAddresses)
      .set({ cancelledAt: now })
      .where(and(isOf(accountId), isNull(payoutAddresses.cancelledAt), gt(payoutAddresses.effectiveAt, now), isIt))

  return {
    stand,
    lately,

    async view(accountId: AccountId): Promise<PayoutAddressView> {
      const { inForce, pending } = await stand(accountId)
      return { address: inForce?.address ?? null, pending: pending && pendingView(pending) }
    },

    /**
     * Writes a change that comes into force after the delay, in the place of one that is pending.
     * @param requestedAt unlike that of any other change of this account
     * @param pending the change whose place it takes
     * @throws what D1 throws, also when one of both is not so, or there are too many today
     */
    async ask(
      accountId: AccountId,
      address: string,
      by: string,
      requestedAt: Instant,
      pending: Pending,
    ): Promise<void> {
      const effectiveAt = instant(requestedAt + LEDGER.payoutAddressDelayMs)
      await db.batch([
        raiseUnless(db, isOf(accountId), requestedAt, pending),
        takeBack(accountId, requestedAt),
        db
          .insert(payoutAddresses)
          .values({ id: `${accountId}:${requestedAt}`, accountId, address, requestedBy: by, requestedAt, effectiveAt }),
        tell(db, accountId, `payout-address:${requestedAt}`, requestedAt, {
          state: 'requested',
          address,
          by,
          effectiveAt: new Date(effectiveAt).toISOString(),
        }),
      ])
    },

    /** Takes the pending change back. @param only the one that was asked for then; null: whichever it is. False: there is none, or it has come into force. */
    async cancel(accountId: AccountId, by: string, now: Instant, only: number | null = null): Promise<boolean> {
      const { pending } = await stand(accountId)
      if (!pending || (only !== null && pending.requestedAt !== only)) return false
      const isIt = eq(payoutAddresses.id, `${accountId}:${pending.requestedAt}`)
      const { address, requestedAt, effectiveAt } = pending
      const id = `payout-address:${requestedAt}:cancelled`
      const data = { state: 'cancelled', address, by, effectiveAt: new Date(effectiveAt).toISOString() }
      const [taken] = await db.batch([
        takeBack(accountId, now, isIt).returning({ id: payoutAddresses.id }),
        tell(db, accountId, id, now, data),
      ])
      // Another one took its place meanwhile: that is the one to take back.
      return taken.length > 0 || this.cancel(accountId, by, now, only)
    },
  }
}

type Pending = PayoutChange | null

/** SQL cannot raise by itself here: text that is no JSON makes the batch fail as a whole. */
function raiseUnless(db: ReturnType<typeof drizzle>, isOwn: SQL, requestedAt: Instant, pending: Pending) {
  const today = sql`SELECT count(*) FROM ${payoutAddresses} WHERE ${isOwn} AND requested_at > ${requestedAt - DAY_MS}`
  const waits = sql`SELECT max(requested_at) FROM ${payoutAddresses} WHERE ${isOwn} AND cancelled_at IS NULL AND effective_at > ${requestedAt}`
  const isWrong = sql`(${today}) >= ${LEDGER.payoutAddressesPerDay} OR (${waits}) IS NOT ${pending?.requestedAt ?? null}`
  return db.select({ raised: sql`CASE WHEN ${isWrong} THEN json('refused') END` }).from(sql`(SELECT 1)`)
}

const tell = (db: ReturnType<typeof drizzle>, accountId: AccountId, id: string, at: Instant, data: EventData) =>
  db
    .insert(events)
    .values({ id: `${accountId}:${id}`, accountId, kind: KIND, at, data: JSON.stringify(data) })
    .onConflictDoNothing()

const changeOf = (row: typeof payoutAddresses.$inferSelect): PayoutChange => ({
  address: row.address,
  requestedAt: instant(row.requestedAt),
  effectiveAt: instant(row.effectiveAt),
})

const pendingView = ({ address, requestedAt, effectiveAt }: PayoutChange) => ({
  address,
  requestedAt: new Date(requestedAt).toISOString(),
  effectiveAt: new Date(effectiveAt).toISOString(),
})

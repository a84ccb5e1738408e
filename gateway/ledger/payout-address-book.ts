// Pay-out addresses in the registry: every change is a row, told to its owner by an event of the same batch, so that none comes unseen. One change
// is pending at most: a newer one takes the earlier one back in the batch that writes it, and of two at the same moment the later batch counts.
import { and, desc, eq, gt, isNull, sql, type SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { events, payoutAddresses } from '../../db/money-schema.ts'
import type { PayoutAddressView } from '../../protocol/auth.ts'
import { instant, type AccountId, type Instant } from '../../protocol/units.ts'
import type { EventData, EventKind } from '../../protocol/webhook.ts'
import type { Clock } from '../core/clock.ts'
import { LEDGER } from './limits.ts'
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
     * @param requestedAt unlike that of any other change of this account @throws what D1 throws, also when it is not, or there are too many today
     */
    async ask(accountId: AccountId, address: string, by: string, requestedAt: Instant): Promise<void> {
      const effectiveAt = instant(requestedAt + LEDGER.payoutAddressDelayMs)
      const today = sql`SELECT count(*) FROM ${payoutAddresses} WHERE ${isOf(accountId)} AND requested_at > ${requestedAt - DAY_MS}`
      await db.batch([
        // SQL cannot raise by itself here: text that is no JSON makes the batch fail as a whole.
        db
          .select({ raised: sql`CASE WHEN (${today}) >= ${LEDGER.payoutAddressesPerDay} THEN json('too many') END` })
          .from(sql`(SELECT 1)`),
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

    /** Takes the pending change back. False: there is none, or it has come into force. */
    async cancel(accountId: AccountId, by: string, now: Instant): Promise<boolean> {
      const { pending } = await stand(accountId)
      if (!pending) return false
      const isIt = eq(payoutAddresses.id, `${accountId}:${pending.requestedAt}`)
      const { address, requestedAt, effectiveAt } = pending
      const id = `payout-address:${requestedAt}:cancelled`
      const data = { state: 'cancelled', address, by, effectiveAt: new Date(effectiveAt).toISOString() }
      const [taken] = await db.batch([
        takeBack(accountId, now, isIt).returning({ id: payoutAddresses.id }),
        tell(db, accountId, id, now, data),
      ])
      // Another one took its place meanwhile: that is the one to take back.
      return taken.length > 0 || this.cancel(accountId, by, now)
    },
  }
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

// Webhooks in the registry: where an account wants to be told, with sealed secrets. Every question names the account, so that a stranger's
// webhook is simply not there.
import { and, asc, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { deliveries, webhooks } from '../../db/money-schema.ts'
import type { AccountId, Instant } from '../../protocol/units.ts'
import type { WebhookView } from '../../protocol/webhook.ts'
import { NOTIFY } from './limits.ts'
import { kindsOf } from './kinds.ts'

export type WebhookRow = typeof webhooks.$inferSelect
export type NewWebhook = Pick<WebhookRow, 'id' | 'accountId' | 'url' | 'kinds' | 'sealedSecret' | 'createdAt'>

export type WebhookBook = ReturnType<typeof createWebhookBook>

export function createWebhookBook(d1: D1Database) {
  const db = drizzle(d1)
  const own = (accountId: AccountId, id: string) => and(eq(webhooks.id, id), eq(webhooks.accountId, accountId))
  return {
    /** False when the account has as many as it may. Counted by the statement that writes, so that two at once do not both pass. */
    async add(row: NewWebhook): Promise<boolean> {
      const written = await d1
        .prepare(ADD)
        .bind(row.id, row.accountId, row.url, row.kinds, row.sealedSecret, row.createdAt, NOTIFY.webhooksMax)
        .run()
      return written.meta.changes > 0
    },

    list(accountId: AccountId): Promise<WebhookRow[]> {
      return db
        .select()
        .from(webhooks)
        .where(eq(webhooks.accountId, accountId))
        .orderBy(asc(webhooks.createdAt), asc(webhooks.id))
    },

    async find(accountId: AccountId, id: string): Promise<WebhookRow | null> {
      return (await db.select().from(webhooks).where(own(accountId, id)))[0] ?? null
    },

    /** With its log. @returns false when there is none */
    async remove(accountId: AccountId, id: string): Promise<boolean> {
      const isOwn = db.select({ id: webhooks.id }).from(webhooks).where(own(accountId, id))
      const [, removed] = await db.batch([
        db.delete(deliveries).where(eq(deliveries.webhookId, isOwn)),
        db.delete(webhooks).where(own(accountId, id)).returning({ id: webhooks.id }),
      ])
      return removed.length > 0
    },

    /** The present secret becomes the old one. @param before as it was read @returns null when it has another secret by now, or is gone */
    async rotate(before: WebhookRow, sealedSecret: string, oldUntil: Instant): Promise<WebhookRow | null> {
      const change = { sealedSecret, sealedOldSecret: before.sealedSecret, oldUntil }
      const isIt = and(eq(webhooks.id, before.id), eq(webhooks.sealedSecret, before.sealedSecret))
      return (await db.update(webhooks).set(change).where(isIt).returning())[0] ?? null
    },

    async enable(accountId: AccountId, id: string): Promise<WebhookRow | null> {
      const change = { disabledAt: null, reason: null, failingSince: null }
      return (await db.update(webhooks).set(change).where(own(accountId, id)).returning())[0] ?? null
    },
  }
}

const ADD = `
  INSERT INTO webhooks (id, account_id, url, kinds, sealed_secret, created_at)
  SELECT ?1, ?2, ?3, ?4, ?5, ?6
  WHERE (SELECT count(*) FROM webhooks WHERE account_id = ?2) < ?7`

export const webhookView = (row: WebhookRow, now: Instant): WebhookView => ({
  id: row.id,
  url: row.url,
  kinds: kindsOf(row.kinds),
  createdAt: iso(row.createdAt),
  failingSince: isoOrNull(row.failingSince),
  disabledAt: isoOrNull(row.disabledAt),
  reason: row.reason,
  oldSecretUntil: row.oldUntil !== null && row.oldUntil > now ? iso(row.oldUntil) : null,
})

const iso = (at: number): string => new Date(at).toISOString()
const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at))

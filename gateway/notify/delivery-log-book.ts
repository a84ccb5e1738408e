// The log of a webhook's deliveries, as its owner reads it: newest first, by keyset, so that a page costs the same wherever it stands.
import { and, desc, eq, gte, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { deliveries, events } from '../../db/money-schema.ts'
import type { Instant } from '../../protocol/units.ts'
import { DeliveryView } from '../../protocol/webhook.ts'
import { olderThan } from '../core/keyset.ts'
import { messageId } from './message.ts'

export interface DeliveryCursor {
  readonly createdAt: number
  readonly id: string
}

/** Null for what no page gave. */
export function readCursor(text: string): DeliveryCursor | null {
  const [createdAt = '', id = ''] = text.split('.')
  return /^\d{1,15}$/.test(createdAt) && /^dl_[0-9a-z]{16}$/.test(id) ? { createdAt: Number(createdAt), id } : null
}

/** @param last of a page */
export const cursorOf = ({ createdAt, id }: DeliveryView): string => `${Date.parse(createdAt)}.${id}`

export type DeliveryLogBook = ReturnType<typeof createDeliveryLogBook>

export function createDeliveryLogBook(d1: D1Database) {
  const db = drizzle(d1)
  return {
    /** Newest first. */
    async page(webhookId: string, after: DeliveryCursor | null, rows: number): Promise<DeliveryView[]> {
      const last = after && { at: after.createdAt, id: after.id }
      const found = await logged(db)
        .where(and(eq(deliveries.webhookId, webhookId), olderThan(deliveries.createdAt, deliveries.id, last)))
        .orderBy(desc(deliveries.createdAt), desc(deliveries.id))
        .limit(rows)
      return found.map(view)
    },

    async find(webhookId: string, id: string): Promise<DeliveryView | null> {
      const [found] = await logged(db).where(and(eq(deliveries.id, id), eq(deliveries.webhookId, webhookId)))
      return found ? view(found) : null
    },

    async testsSince(webhookId: string, since: Instant): Promise<number> {
      const [row] = await db
        .select({ tests: sql<number>`count(*)` })
        .from(deliveries)
        .innerJoin(events, eq(events.id, deliveries.eventId))
        .where(and(eq(deliveries.webhookId, webhookId), gte(deliveries.createdAt, since), eq(events.kind, 'test')))
      return row?.tests ?? 0
    },
  }
}

const logged = (db: ReturnType<typeof drizzle>) =>
  db
    .select({ delivery: deliveries, kind: events.kind })
    .from(deliveries)
    .leftJoin(events, eq(events.id, deliveries.eventId))

/** @param row without a kind where the event itself was purged */
function view({ delivery, kind }: { delivery: typeof deliveries.$inferSelect; kind: string | null }): DeliveryView {
  return DeliveryView.parse({
    id: delivery.id,
    event: messageId(delivery.eventId),
    type: kind ?? 'purged',
    state: delivery.state,
    tries: delivery.tries,
    status: delivery.status,
    error: delivery.error,
    ms: delivery.tookMs,
    createdAt: new Date(delivery.createdAt).toISOString(),
    triedAt: delivery.triedAt === null ? null : new Date(delivery.triedAt).toISOString(),
    nextAt: delivery.nextAt === null ? null : new Date(delivery.nextAt).toISOString(),
  })
}

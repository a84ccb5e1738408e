// Events and their deliveries in the registry. A delivery is one per webhook and event, however often events are spread; whoever sends it has
// claimed it by a conditional UPDATE, so that two runs at once do not send it at the same moment. A claim ends by itself when its run is lost.
import { and, eq, or, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { deliveries, events, webhooks } from '../../db/money-schema.ts'
import { instant, type Instant } from '../../protocol/units.ts'
import { EventData } from '../../protocol/webhook.ts'
import { wants } from './kinds.ts'
import { NOTIFY } from './limits.ts'
import type { StoredEvent } from './message.ts'
import type { Attempt, Verdict } from './outcome.ts'
import type { WebhookRow } from './webhook-book.ts'

/** A delivery that nobody else sends until `leasedUntil`. */
export interface Claimed {
  readonly id: string
  /** this one included */
  readonly tries: number
  readonly leasedUntil: Instant
  readonly webhook: WebhookRow
  readonly event: StoredEvent
}

export type DeliveryBook = ReturnType<typeof createDeliveryBook>

export function createDeliveryBook(d1: D1Database) {
  const db = drizzle(d1)

  return {
    /** Writes the deliveries of events nobody has looked at. @returns how many events there were */
    async spread(newId: () => string, now: Instant): Promise<number> {
      const { results } = await d1.prepare(UNSPREAD).bind(NOTIFY.spreadRows).all<Unspread>()
      const wanted = results.flatMap(({ eventId, kind, webhookId, kinds }) =>
        webhookId !== null && wants(kinds, kind) ? [[newId(), webhookId, eventId]] : [],
      )
      const seen = [...new Set(results.map(({ eventId }) => eventId))]
      if (seen.length === 0) return 0
      await d1.batch([
        d1.prepare(ADD_DELIVERIES).bind(JSON.stringify(wanted), now),
        d1.prepare(MARK_SPREAD).bind(JSON.stringify(seen), now),
      ])
      return seen.length
    },

    /** What is due, taken in turns by account; nobody else sends it meanwhile. */
    async claimDue(now: Instant): Promise<Claimed[]> {
      const until = now + NOTIFY.leaseMs
      const { results } = await d1
        .prepare(CLAIM_DUE)
        .bind(now, until, NOTIFY.runMaxPerAccount, NOTIFY.runMax)
        .all<{ id: string }>()
      return load(
        db,
        results.map(({ id }) => id),
      )
    },

    /** The same event again, from its first try. Null: there is none, or it is being sent. */
    async claimAgain(webhookId: string, id: string, now: Instant): Promise<Claimed | null> {
      const isFree = or(sql`${deliveries.leasedUntil} IS NULL`, sql`${deliveries.leasedUntil} <= ${now}`)
      const [claimed] = await db
        .update(deliveries)
        .set({ state: 'pending', tries: 1, triedAt: now, nextAt: now, leasedUntil: now + NOTIFY.leaseMs })
        .where(and(eq(deliveries.id, id), eq(deliveries.webhookId, webhookId), isFree))
        .returning({ id: deliveries.id })
      return claimed ? ((await load(db, [claimed.id]))[0] ?? null) : null
    },

    /** A test event, for this webhook alone, as one that failed until its try says otherwise: it is never tried again by itself. */
    async addTest(id: string, event: Omit<StoredEvent, 'at'>, webhook: WebhookRow, now: Instant): Promise<Claimed> {
      const row = { ...event, data: JSON.stringify(event.data), at: now, spreadAt: now }
      const leasedUntil = instant(now + NOTIFY.leaseMs)
      const delivery = { id, webhookId: webhook.id, eventId: event.id, state: 'failed', tries: 1, createdAt: now }
      await db.batch([
        db.insert(events).values(row),
        db.insert(deliveries).values({ ...delivery, triedAt: now, leasedUntil }),
      ])
      return { id, tries: 1, leasedUntil, webhook, event: { ...event, at: now } }
    },

    /** Writes what came of a try, if the claim still stands; a try that arrived counts even when the webhook was disabled meanwhile. */
    async settle(claimed: Claimed, attempt: Attempt, verdict: Verdict, now: Instant): Promise<void> {
      const { id, leasedUntil, webhook } = claimed
      const { state, nextAt, disabled } = verdict
      await d1.batch([
        d1.prepare(SETTLE).bind(id, leasedUntil, state, nextAt, attempt.status, attempt.error, attempt.ms),
        d1.prepare(SETTLE_WEBHOOK).bind(webhook.id, now, Number(attempt.error !== null), disabled),
        ...(disabled === null ? [] : [d1.prepare(GIVE_UP).bind(webhook.id)]),
      ])
    },

    /** What came of a test: the webhook's own record stays as it is. */
    async settleTest({ id, leasedUntil }: Claimed, { error, status, ms }: Attempt): Promise<void> {
      const state = error === null ? 'delivered' : 'failed'
      await d1.prepare(SETTLE).bind(id, leasedUntil, state, null, status, error, ms).run()
    },
  }
}

/** With all that is needed to send them. */
async function load(db: ReturnType<typeof drizzle>, ids: readonly string[]): Promise<Claimed[]> {
  if (ids.length === 0) return []
  const isClaimed = sql`${deliveries.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`
  const rows = await db
    .select({ delivery: deliveries, webhook: webhooks, event: events })
    .from(deliveries)
    .innerJoin(webhooks, eq(webhooks.id, deliveries.webhookId))
    .innerJoin(events, eq(events.id, deliveries.eventId))
    .where(isClaimed)
  return rows.map(({ delivery, webhook, event }) => ({
    id: delivery.id,
    tries: delivery.tries,
    leasedUntil: instant(delivery.leasedUntil ?? 0),
    webhook,
    event: { ...event, data: EventData.parse(JSON.parse(event.data)) },
  }))
}

interface Unspread {
  readonly eventId: string
  readonly kind: string
  /** null where nobody wants to be told */
  readonly webhookId: string | null
  readonly kinds: string | null
}

/** A webhook hears what happened since it was made. */
const UNSPREAD = `
  SELECT e.id AS eventId, e.kind AS kind, w.id AS webhookId, w.kinds AS kinds
  FROM (SELECT id, account_id, kind, at FROM events WHERE spread_at IS NULL ORDER BY at LIMIT ?1) e
  LEFT JOIN webhooks w ON w.account_id = e.account_id AND w.disabled_at IS NULL AND w.created_at <= e.at`

const ADD_DELIVERIES = `
  INSERT INTO deliveries (id, webhook_id, event_id, state, tries, next_at, created_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, 'pending', 0, ?2, ?2
  FROM json_each(?1) WHERE value ->> 1 IN (SELECT id FROM webhooks)
  ON CONFLICT (webhook_id, event_id) DO NOTHING`

const MARK_SPREAD = `
  UPDATE events SET spread_at = ?2 WHERE spread_at IS NULL AND id IN (SELECT value FROM json_each(?1))`

/**
 * The first of each account, then the second of each, and so on: one with a thousand due does not push the others back. One statement, so
 * that no other run sees what it is about to claim.
 */
const CLAIM_DUE = `
  UPDATE deliveries SET leased_until = ?2, tried_at = ?1, tries = tries + 1
  WHERE id IN (
    SELECT id FROM (
      SELECT d.id, d.next_at, row_number() OVER (PARTITION BY w.account_id ORDER BY d.next_at, d.id) AS turn
      FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id JOIN events e ON e.id = d.event_id
      WHERE d.next_at <= ?1 AND d.state = 'pending' AND (d.leased_until IS NULL OR d.leased_until <= ?1)
        AND w.disabled_at IS NULL
    ) WHERE turn <= ?3 ORDER BY turn, next_at LIMIT ?4)
  RETURNING id`

const SETTLE = `
  UPDATE deliveries SET state = ?3, next_at = ?4, status = ?5, error = ?6, took_ms = ?7, leased_until = NULL
  WHERE id = ?1 AND leased_until = ?2 AND (?3 <> 'pending' OR state = 'pending')`

/** The first failure stands until something arrives. */
const SETTLE_WEBHOOK = `
  UPDATE webhooks SET failing_since = CASE ?3 WHEN 0 THEN NULL ELSE coalesce(failing_since, ?2) END,
    disabled_at = CASE WHEN ?4 IS NULL THEN disabled_at ELSE coalesce(disabled_at, ?2) END,
    reason = coalesce(reason, ?4)
  WHERE id = ?1`

const GIVE_UP = `
  UPDATE deliveries SET state = 'failed', error = 'disabled', next_at = NULL WHERE webhook_id = ?1 AND state = 'pending'`

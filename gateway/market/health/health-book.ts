// NodeGuard's copy in the registry: what snapshots read. One batch per copy, small rows; rows of offers that no longer exist are left alone.
import { and, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { nodes, offers } from '../../../db/schema.ts'
import type { Instant, ModelId, NodeId } from '../../../protocol/units.ts'

export interface OfferHealth {
  readonly modelId: ModelId
  readonly inFlight: number
  readonly breaker: 'closed' | 'open' | 'half_open'
  readonly breakerUntil: Instant | null
  readonly success: number | null
  readonly firstTokenMs: number | null
  readonly unitsPerSecond: number | null
  readonly driftPpm: number | null
}

export function createHealthBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** @param hasServedEnough a node in probation becomes active */
    async write(nodeId: NodeId, health: readonly OfferHealth[], hasServedEnough: boolean, now: Instant): Promise<void> {
      const updates = health.map((offer) =>
        db
          .update(offers)
          .set({
            breaker: offer.breaker,
            breakerUntil: offer.breakerUntil,
            successPpm: scaled(offer.success, 1_000_000),
            firstTokenMs: scaled(offer.firstTokenMs, 1),
            unitsPerKs: scaled(offer.unitsPerSecond, 1_000),
            driftPpm: scaled(offer.driftPpm, 1),
            inFlight: offer.inFlight,
            updatedAt: now,
          })
          .where(and(eq(offers.nodeId, nodeId), eq(offers.modelId, offer.modelId))),
      )
      const promote = db
        .update(nodes)
        .set({ state: 'active', reason: null })
        .where(and(eq(nodes.id, nodeId), eq(nodes.state, 'probation')))
      const [first, ...rest] = hasServedEnough ? [promote, ...updates] : updates
      if (first !== undefined) await db.batch([first, ...rest])
    },
  }
}

const scaled = (value: number | null, by: number): number | null => (value === null ? null : Math.round(value * by))

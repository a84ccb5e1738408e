// NodeGuard's copy in the registry: what snapshots read, and a row for every five minutes that are over. One batch per copy, small rows; rows of offers that no
// longer exist are left alone. Rows of five minutes are kept for some days.
import { and, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { nodes, offers } from '../../../db/schema.ts'
import { offerSlots } from '../../../db/market-schema.ts'
import type { Instant, ModelId, NodeId } from '../../../protocol/units.ts'
import { quantile } from './histogram.ts'
import type { SlotAt } from './windows.ts'

export interface OfferHealth {
  readonly modelId: ModelId
  readonly inFlight: number
  readonly breaker: 'closed' | 'open' | 'half_open'
  readonly breakerUntil: Instant | null
  readonly success: number | null
  readonly firstTokenMs: number | null
  readonly unitsPerSecond: number | null
  readonly driftPpm: number | null
  readonly busyShare: number | null
  readonly inFlightCap: number | null
  /** of `writeWindows` */
  readonly windows: string
}

export interface HealthCopy {
  readonly offers: readonly OfferHealth[]
  /** five minutes each */
  readonly slots: readonly (SlotAt & { readonly modelId: ModelId })[]
}

/** ms that rows of five minutes are kept: a week, and a day to look at it */
const SLOTS_KEPT_MS = 8 * 86_400_000
/** rows that leave in one run: ten thousand offers make two thousand a minute */
const PURGED_MAX = 5_000

export function createHealthBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** @param hasServedEnough a node in probation becomes active */
    async write(nodeId: NodeId, copy: HealthCopy, hasServedEnough: boolean, now: Instant): Promise<void> {
      const updates = copy.offers.map((offer) =>
        db
          .update(offers)
          .set({ ...columnsOf(offer), updatedAt: now })
          .where(and(eq(offers.nodeId, nodeId), eq(offers.modelId, offer.modelId))),
      )
      const slots = copy.slots.map((slot) => {
        const counts = countsOf(slot)
        return db
          .insert(offerSlots)
          .values({ nodeId, modelId: slot.modelId, at: slot.at, ...counts })
          .onConflictDoUpdate({ target: [offerSlots.modelId, offerSlots.nodeId, offerSlots.at], set: counts })
      })
      const promote = db
        .update(nodes)
        .set({ state: 'active', reason: null })
        .where(and(eq(nodes.id, nodeId), eq(nodes.state, 'probation')))
      const [first, ...rest] = [...(hasServedEnough ? [promote] : []), ...updates, ...slots]
      if (first !== undefined) await db.batch([first, ...rest])
    },

    /** @returns how many rows left */
    async purge(now: Instant): Promise<number> {
      const old = `DELETE FROM offer_slots WHERE rowid IN (SELECT rowid FROM offer_slots WHERE at <= ? ORDER BY at LIMIT ?)`
      const purge = database.prepare(old).bind(now - SLOTS_KEPT_MS, PURGED_MAX)
      return (await purge.run()).meta.changes
    },
  }
}

const columnsOf = (offer: OfferHealth) => ({
  breaker: offer.breaker,
  breakerUntil: offer.breakerUntil,
  successPpm: scaled(offer.success, 1_000_000),
  firstTokenMs: scaled(offer.firstTokenMs, 1),
  unitsPerKs: scaled(offer.unitsPerSecond, 1_000),
  driftPpm: scaled(offer.driftPpm, 1),
  busyPpm: scaled(offer.busyShare, 1_000_000),
  inFlightCap: offer.inFlightCap,
  windows: offer.windows,
  inFlight: offer.inFlight,
})

const countsOf = ({ attempts, served, busy, firstTokenMs, unitsPerSecond }: SlotAt) => ({
  attempts,
  served,
  busy,
  firstTokenP50: scaled(quantile(firstTokenMs, 0.5), 1),
  firstTokenP90: scaled(quantile(firstTokenMs, 0.9), 1),
  unitsPerKs: scaled(quantile(unitsPerSecond, 0.5), 1_000),
})

const scaled = (value: number | null, by: number): number | null => (value === null ? null : Math.round(value * by))

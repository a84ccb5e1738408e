// A node's offers in the registry, written all at once: what is made is saved with its price version, what is not is paused. Health, breaker and
// in-flight stay NodeGuard's. Also the two states that an operator sets by hand. Every write names in its condition what it was decided for.
import { and, asc, eq, inArray, not, sql, type Column } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { models, nodes, offers } from '../../../db/schema.ts'
import type { NodeState } from '../../../protocol/node.ts'
import type { Instant, NodeId } from '../../../protocol/units.ts'
import { REASON } from '../admission/admission.ts'
import { pauseBlocked } from './model-rule-book.ts'
import { addPriceVersion, latestPriceVersion } from './price-book.ts'
import type { ModelRow, NodeRow, OfferRow } from '../rows.ts'

type Database = ReturnType<typeof drizzle>

export interface OfferedNode {
  readonly node: NodeRow
  readonly offers: readonly {
    readonly offer: OfferRow
    /** `reason` is its state's */
    readonly model: Pick<ModelRow, 'id' | 'digest' | 'task' | 'state' | 'replacedBy'> & {
      readonly reason: string | null
    }
  }[]
}

export function createOfferBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** A node and its offers, and of their models what is told of them: no manifests, which can be half a megabyte each. */
    async look(nodeId: NodeId): Promise<OfferedNode | null> {
      const node = await db.select().from(nodes).where(eq(nodes.id, nodeId)).get()
      if (!node) return null
      const { id, digest, task, state, stateReason: reason, replacedBy } = models
      const made = db
        .select({ offer: offers, model: { id, digest, task, state, reason, replacedBy } })
        .from(offers)
        .innerJoin(models, eq(models.id, offers.modelId))
        .where(eq(offers.nodeId, nodeId))
        .orderBy(asc(offers.modelId))
      return { node, offers: await made }
    },

    /** What is live at the moment of the write stays live; anything else waits for its probes. */
    async put(nodeId: NodeId, made: readonly OfferRow[], now: Instant): Promise<void> {
      const isLive = sql`${offers.state} = 'live'`
      const state = sql<string>`CASE WHEN ${isLive} THEN 'live' ELSE 'pending' END`
      const reason = sql<string>`CASE WHEN ${isLive} THEN NULL ELSE ${REASON.unprobed} END`
      const saves = made.flatMap((offer) => saveOffer(db, offer, { state, reason }, now))
      const isItsOwn = eq(offers.nodeId, nodeId)
      await db.batch([pauseOthers(db, nodeId, made, REASON.takenOut, now), ...saves, pauseBlocked(db, isItsOwn, now)])
    },

    /** @returns false when the node is in none of these states any more */
    async moveNode(nodeId: NodeId, from: readonly NodeState[], to: NodeState, reason: string | null): Promise<boolean> {
      const same = and(eq(nodes.id, nodeId), inArray(nodes.state, [...from]))
      return (await db.update(nodes).set({ state: to, reason }).where(same).returning({ id: nodes.id })).length > 0
    },
  }
}

/** The statements that save one offer; what its node's guard and audits have found stays as it is. @param over what of an offer that is there already comes from elsewhere */
export function saveOffer(
  db: Database,
  offer: OfferRow,
  over: Partial<Record<'state' | 'reason', ReturnType<typeof sql<string>>>>,
  now: Instant,
) {
  const {
    breaker: _b,
    breakerUntil: _u,
    successPpm: _s,
    firstTokenMs: _f,
    unitsPerKs: _k,
    inFlight: _i,
    driftPpm: _d,
    busyPpm: _p,
    inFlightCap: _c,
    windows: _w,
    trustPpm: _t,
    toldTrustPpm: _o,
    toldDay: _y,
    ...own
  } = offer
  const priceVersion = latestPriceVersion(offer)
  return [
    addPriceVersion(db, offer, now),
    db
      .insert(offers)
      .values({ ...offer, priceVersion })
      .onConflictDoUpdate({ target: [offers.nodeId, offers.modelId], set: { ...own, ...over, priceVersion } }),
  ]
}

/** The statement that pauses what is no longer offered. */
export function pauseOthers(db: Database, nodeId: string, made: readonly OfferRow[], reason: string, now: Instant) {
  const kept = isAmong(
    offers.modelId,
    made.map(({ modelId }) => modelId),
  )
  return db
    .update(offers)
    .set({ state: 'paused', reason, updatedAt: now })
    .where(and(eq(offers.nodeId, nodeId), not(kept)))
}

/** One bound parameter, however long the list: D1 binds at most 100. */
export const isAmong = (column: Column, values: readonly string[]) =>
  sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`

// Which offers the gateway probes because no caller tells it how they are, and what a probe needs of one. An offer's row is written whenever its guard heard of
// it, so a row that nobody wrote for a while is one without traffic.
import { and, eq, inArray, isNotNull, lte, ne, or, sql, type SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { models, nodes, offers } from '../../../db/schema.ts'
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import { instant, type Instant, type ModelId, type NodeId } from '../../../protocol/units.ts'
import type { Model, Offer } from '../market-port.ts'
import { asModelId, asNodeId, toModel, toOffer } from '../rows.ts'

/** ms without a call after which an offer is probed: a bit longer than what is known of it takes to fade */
export const IDLE_MS = 900_000

const serves = and(
  eq(offers.state, 'live'),
  inArray(nodes.state, ['probation', 'active']),
  isNotNull(nodes.provedAt),
  or(ne(nodes.endpoint, LINK_ENDPOINT), isNotNull(nodes.linkUpAt)),
  inArray(models.state, ['active', 'deprecated']),
)

export function createProbeBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** Broken ones and quiet ones, half for each while both have so many, in random order: the dead must not keep the quiet from being looked at. */
    async due(rows: number, now: Instant): Promise<{ nodeId: NodeId; modelId: ModelId }[]> {
      const pick = (which: SQL | undefined) =>
        db
          .select({ nodeId: offers.nodeId, modelId: offers.modelId })
          .from(offers)
          .innerJoin(nodes, eq(nodes.id, offers.nodeId))
          .innerJoin(models, eq(models.id, offers.modelId))
          .where(and(serves, which))
          .orderBy(sql`random()`)
          .limit(rows)
      const [broken, quiet] = await Promise.all([
        pick(ne(offers.breaker, 'closed')),
        pick(and(eq(offers.breaker, 'closed'), lte(offers.updatedAt, instant(now - IDLE_MS)))),
      ])
      const brokenMax = Math.max(Math.ceil(rows / 2), rows - quiet.length)
      const found = [...broken.slice(0, brokenMax), ...quiet].slice(0, rows)
      return found.map(({ nodeId, modelId }) => ({ nodeId: asNodeId(nodeId), modelId: asModelId(modelId) }))
    },

    /** Null: it may not serve now, so it is not probed. */
    async find(nodeId: NodeId, modelId: ModelId, now: Instant): Promise<{ offer: Offer; model: Model } | null> {
      const found = await db
        .select({ offers, nodes, models })
        .from(offers)
        .innerJoin(nodes, eq(nodes.id, offers.nodeId))
        .innerJoin(models, eq(models.id, offers.modelId))
        .where(and(eq(offers.nodeId, nodeId), eq(offers.modelId, modelId), serves))
        .get()
      return found ? { offer: toOffer(found.offers, found.nodes, now), model: toModel(found.models) } : null
    },
  }
}

// Every price an offer ever had, in the registry. A version is written once, when it comes into force, in the same batch as the offer that
// names it; so what any call cost can be computed again from the version in its journal line, for ever.
import { and, desc, eq, lt, sql, type InferSelectModel } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { priceVersions } from '../../../db/schema.ts'
import type { Instant, ModelId, NodeId } from '../../../protocol/units.ts'
import type { OfferRow } from '../rows.ts'

type Database = ReturnType<typeof drizzle>

export type PriceRow = InferSelectModel<typeof priceVersions>
type Offered = Pick<OfferRow, 'nodeId' | 'modelId'>

const latest = ({ nodeId, modelId }: Offered) =>
  sql`SELECT max(version) FROM price_versions WHERE node_id = ${nodeId} AND model_id = ${modelId}`

/** The version in force after {@link addPriceVersion}, as part of a larger statement. */
export const latestPriceVersion = (offer: Offered) => sql<number>`(${latest(offer)})`

/**
 * Writes the next version unless the last one has the same prices. The number is found by the statement itself, so two registrations of one
 * node at the same moment get two numbers, or share one when they ask the same.
 */
export function addPriceVersion(db: Database, offer: OfferRow, now: Instant) {
  const prices = [
    offer.inputPriceNanos,
    offer.outputPriceNanos,
    offer.cachedInputPriceNanos,
    offer.bytesPriceNanos,
    offer.callPriceNanos,
  ] as const
  const [input, output, cached, bytes, call] = prices
  const isSame = sql`input_price_nanos = ${input} AND output_price_nanos = ${output} AND cached_input_price_nanos = ${cached}
    AND bytes_price_nanos = ${bytes} AND call_price_nanos = ${call}`
  return db.insert(priceVersions).select(
    sql`SELECT ${offer.nodeId}, ${offer.modelId}, coalesce((${latest(offer)}), 0) + 1, ${input}, ${output}, ${cached}, ${bytes},
        ${call}, ${now}
      WHERE NOT EXISTS (SELECT 1 FROM price_versions WHERE node_id = ${offer.nodeId} AND model_id = ${offer.modelId}
        AND version = (${latest(offer)}) AND ${isSame})`,
  )
}

export function createPriceBook(registry: D1Database) {
  const db = drizzle(registry)
  return {
    /** Newest first, below version `before`; null: from the newest. */
    history(nodeId: NodeId, modelId: ModelId, before: number | null, rows: number): Promise<PriceRow[]> {
      const older = before === null ? undefined : lt(priceVersions.version, before)
      return db
        .select()
        .from(priceVersions)
        .where(and(eq(priceVersions.nodeId, nodeId), eq(priceVersions.modelId, modelId), older))
        .orderBy(desc(priceVersions.version))
        .limit(rows)
    },
  }
}

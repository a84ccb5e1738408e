// How large the market is, for everybody to see, and which models are whose: what metering is told of the registry.
import { and, count, eq, inArray, isNull, ne, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { models, nodes } from '../../db/schema.ts'
import { Continent } from '../../protocol/routing.ts'
import type { AccountId } from '../../protocol/units.ts'

export interface RegionSize {
  /** null: not known */
  readonly region: Continent | null
  /** that take calls now */
  readonly active: number
  readonly total: number
}

export function createMarketSize(registry: D1Database) {
  const db = drizzle(registry)
  const takesCalls = and(inArray(nodes.state, ['active', 'probation']), isNull(nodes.linkDownAt))
  return {
    async size(): Promise<{ nodes: RegionSize[]; models: number }> {
      const [regions, [active]] = await Promise.all([
        db
          .select({ region: nodes.region, active: sql<number>`sum(${takesCalls})`, total: count() })
          .from(nodes)
          .where(ne(nodes.state, 'revoked'))
          .groupBy(nodes.region),
        db.select({ models: count() }).from(models).where(eq(models.state, 'active')),
      ])
      return {
        nodes: regions.map(({ region, ...counts }) => ({
          region: Continent.nullable().catch(null).parse(region),
          ...counts,
        })),
        models: active?.models ?? 0,
      }
    },

    /** Ids of all that pay this account, withdrawn ones too. */
    async modelsOf(author: AccountId): Promise<string[]> {
      const rows = await db.select({ id: models.id }).from(models).where(eq(models.authorAccountId, author))
      return rows.map(({ id }) => id)
    },
  }
}

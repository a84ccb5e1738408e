// Where a node stands: the continent its own requests came from (hello, link, changes by its key), never its operator's browser. Written only when it has changed.
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { nodes } from '../../../db/schema.ts'
import type { Continent } from '../../../protocol/routing.ts'
import type { NodeRow } from '../rows.ts'

export function createRegionBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** @param region null: not known this time, which takes nothing away */
    async note(node: Pick<NodeRow, 'id' | 'region'>, region: Continent | null): Promise<void> {
      if (region === null || region === node.region) return
      await db.update(nodes).set({ region }).where(eq(nodes.id, node.id))
    },
  }
}

// Whether a node's link is up, as the registry knows it: what snapshots leave out and operators are told. Written by the guard's alarm alone, and only of
// nodes that are registered as reached by their link.
import { and, eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { nodes } from '../../../db/schema.ts'
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import type { Instant, NodeId } from '../../../protocol/units.ts'

export function createLinkBook(database: D1Database) {
  const db = drizzle(database)
  const write = async (nodeId: NodeId, times: { linkUpAt: Instant | null; linkDownAt: Instant | null }) => {
    await db
      .update(nodes)
      .set(times)
      .where(and(eq(nodes.id, nodeId), eq(nodes.endpoint, LINK_ENDPOINT)))
  }
  return {
    up: (nodeId: NodeId, since: Instant) => write(nodeId, { linkUpAt: since, linkDownAt: null }),
    down: (nodeId: NodeId, since: Instant) => write(nodeId, { linkUpAt: null, linkDownAt: since }),

    /** What a link is checked against. */
    find: (nodeId: NodeId) => db.select().from(nodes).where(eq(nodes.id, nodeId)).get(),
  }
}

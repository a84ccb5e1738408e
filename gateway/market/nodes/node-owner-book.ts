// Whose a node is, and what else that account has: what the ledger is told to find a node's earnings among its operator's.
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { nodes, offers } from '../../../db/schema.ts'
import type { AccountId, NodeId } from '../../../protocol/units.ts'
import { asAccountId, asNodeId } from '../rows.ts'

export function createNodeOwners(registry: D1Database) {
  const db = drizzle(registry)
  const nodesOf = async (accountId: AccountId): Promise<NodeId[]> => {
    const rows = await db.select({ id: nodes.id }).from(nodes).where(eq(nodes.operatorAccountId, accountId))
    return rows.map(({ id }) => asNodeId(id))
  }
  return {
    nodesOf,

    /** Model and node of every offer it ever made: paused ones stay. */
    async offersOf(accountId: AccountId): Promise<[model: string, node: string][]> {
      const rows = await db
        .select({ model: offers.modelId, node: offers.nodeId })
        .from(nodes)
        .innerJoin(offers, eq(offers.nodeId, nodes.id))
        .where(eq(nodes.operatorAccountId, accountId))
      return rows.map(({ model, node }) => [model, node])
    },

    /** Null: there is no such node. It never changes hands. */
    async ownerOf(nodeId: NodeId): Promise<{ accountId: AccountId; nodeIds: NodeId[] } | null> {
      const { operatorAccountId } = nodes
      const row = await db.select({ operatorAccountId }).from(nodes).where(eq(nodes.id, nodeId)).get()
      if (!row) return null
      const accountId = asAccountId(row.operatorAccountId)
      return { accountId, nodeIds: await nodesOf(accountId) }
    },
  }
}

// Every key a node ever had, in the registry. A key belongs to one node for ever: one that was exchanged is registered by nobody again, so that an
// old receipt always says whose it is. Changes are one batch that fails as a whole when a key is another's.
import { and, eq, inArray, isNull, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { nodeKeys, nodes } from '../../../db/schema.ts'
import { NodeState } from '../../../protocol/node.ts'
import type { Instant, NodeId } from '../../../protocol/units.ts'
import { asNodeId, type NodeRow } from '../rows.ts'

type Database = ReturnType<typeof drizzle>

export interface KnownKey {
  readonly nodeId: NodeId
  readonly state: NodeState
  /** when another took its place; null while it is the node's */
  readonly untilAt: number | null
}

export interface Rotation {
  readonly nodeKey: string
  readonly settlementKey: string
  /** checksummed: who authorised the new keys */
  readonly operatorAddress: string
}

/** The statements of a registration: refuse a key that is another's or was exchanged, and note it down. */
export function keyOfRegistration(db: Database, node: Pick<NodeRow, 'id' | 'nodeKey' | 'settlementKey'>, now: Instant) {
  const isForeign = sql`SELECT 1 FROM ${nodeKeys} WHERE ${nodeKeys.nodeKey} = ${node.nodeKey}
    AND (${nodeKeys.nodeId} <> ${node.id} OR ${nodeKeys.untilAt} IS NOT NULL)`
  return [
    refuseWhen(db, sql`EXISTS (${isForeign})`),
    db
      .insert(nodeKeys)
      .values({ nodeKey: node.nodeKey, nodeId: node.id, settlementKey: node.settlementKey, fromAt: now })
      .onConflictDoUpdate({ target: nodeKeys.nodeKey, set: { settlementKey: node.settlementKey } }),
  ] as const
}

/** Whether a node has had its key since then or longer: part of a statement over nodes. */
export const hasKeySince = (since: Instant) =>
  sql`EXISTS (SELECT 1 FROM ${nodeKeys} WHERE ${nodeKeys.nodeKey} = ${nodes.nodeKey} AND ${nodeKeys.fromAt} <= ${since})`

export function createNodeKeyBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** Null: no node ever had it. */
    async find(nodeKey: string): Promise<KnownKey | null> {
      // Nodes of before this table have no row in it until they register again. Each half has its index; one condition over both tables would read every node.
      const owners = db
        .select({ id: nodes.id })
        .from(nodes)
        .where(eq(nodes.nodeKey, nodeKey))
        .unionAll(db.select({ id: nodeKeys.nodeId }).from(nodeKeys).where(eq(nodeKeys.nodeKey, nodeKey)))
      const row = await db
        .select({ id: nodes.id, state: nodes.state, current: nodes.nodeKey, untilAt: nodeKeys.untilAt })
        .from(nodes)
        .leftJoin(nodeKeys, and(eq(nodeKeys.nodeId, nodes.id), eq(nodeKeys.nodeKey, nodeKey)))
        .where(inArray(nodes.id, owners))
        .get()
      return row ? { nodeId: asNodeId(row.id), state: NodeState.parse(row.state), untilAt: row.untilAt } : null
    },

    /**
     * The new key in the old one's place. The proof of the endpoint was the old key's; the state stays.
     * @returns false when the node has another key by now, or the new key is or was some node's
     */
    async rotate(
      before: NodeRow,
      { nodeKey, settlementKey, operatorAddress }: Rotation,
      now: Instant,
    ): Promise<boolean> {
      const isUnchanged = and(eq(nodes.id, before.id), eq(nodes.nodeKey, before.nodeKey))
      const isTaken = sql`EXISTS (SELECT 1 FROM ${nodeKeys} WHERE ${nodeKeys.nodeKey} = ${nodeKey})
        OR EXISTS (SELECT 1 FROM ${nodes} WHERE ${nodes.nodeKey} = ${nodeKey})
        OR NOT EXISTS (SELECT 1 FROM ${nodes} WHERE ${isUnchanged})`
      const old = { nodeKey: before.nodeKey, nodeId: before.id, settlementKey: before.settlementKey }
      try {
        await db.batch([
          refuseWhen(db, isTaken),
          db.update(nodes).set({ nodeKey, settlementKey, operatorAddress, provedAt: null }).where(isUnchanged),
          db
            .insert(nodeKeys)
            .values({ ...old, fromAt: before.createdAt, untilAt: now })
            .onConflictDoUpdate({
              target: nodeKeys.nodeKey,
              set: { untilAt: now },
              setWhere: isNull(nodeKeys.untilAt),
            }),
          db.insert(nodeKeys).values({ nodeKey, nodeId: before.id, settlementKey, fromAt: now }),
        ])
        return true
      } catch (error) {
        if (await isBlocked(db, isTaken)) return false
        throw error
      }
    },
  }
}

/** SQL cannot raise by itself here: text that is no JSON makes the batch fail as a whole. */
const refuseWhen = (db: Database, condition: ReturnType<typeof sql>) =>
  db.select({ raised: sql`CASE WHEN ${condition} THEN json('this key cannot be used') END` }).from(sql`(SELECT 1)`)

async function isBlocked(db: Database, condition: ReturnType<typeof sql>): Promise<boolean> {
  const row = await db
    .select({ blocked: sql<number>`(${condition})` })
    .from(sql`(SELECT 1)`)
    .get()
  return row?.blocked === 1
}

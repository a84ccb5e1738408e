// Sanctions in the registry: who was stopped or let in again, when, by whom and why. A state and its row are one batch with one condition, so that neither
// stands without the other, and of two at the same moment one is written.
import { and, desc, eq, inArray, not, sql, type SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { sanctions } from '../../../db/market-schema.ts'
import { nodes, offers } from '../../../db/schema.ts'
import type { NodeState } from '../../../protocol/node.ts'
import type { Instant, NodeId } from '../../../protocol/units.ts'
import { REASON } from '../admission/admission.ts'
import { SUSPICION, trustOf } from '../audits/suspicion.ts'
import type { SanctionCause } from './sanction-port.ts'

type Database = ReturnType<typeof drizzle>

/** Never changed once it is written. */
export interface SanctionRow {
  readonly id: string
  readonly nodeId: string
  readonly what: string
  readonly by: string
  readonly reason: string
  /** JSON */
  readonly evidence: string
  readonly at: number
}

/** sanctions of one node that are listed */
const LISTED_MAX = 100

export type SanctionBook = ReturnType<typeof createSanctionBook>

export function createSanctionBook(database: D1Database) {
  const db = drizzle(database)
  /** Newest first, also where two were written in one millisecond. */
  const among = (where: SQL | undefined) =>
    db
      .select()
      .from(sanctions)
      .where(where)
      .orderBy(desc(sanctions.at), sql`${sanctions}.rowid DESC`)
  const isSuspended = (nodeId: NodeId) => and(eq(nodes.id, nodeId), eq(nodes.state, 'suspended'))

  return {
    /** @returns false when it is suspended or revoked already, or not there */
    async suspend(id: string, nodeId: NodeId, cause: SanctionCause, now: Instant): Promise<boolean> {
      const where = and(eq(nodes.id, nodeId), not(inArray(nodes.state, ['suspended', 'revoked'])))
      const stop = db.update(nodes).set({ state: 'suspended', reason: cause.reason }).where(where)
      const [, stopped] = await db.batch([
        note(db, { id, what: 'suspended', ...cause, now }, where),
        stop.returning({ id: nodes.id }),
      ])
      return stopped.length > 0
    },

    async isSuspended(nodeId: NodeId): Promise<boolean> {
      return (await db.select({ id: nodes.id }).from(nodes).where(isSuspended(nodeId)).get()) !== undefined
    },

    /** One that has nothing proved any more goes through its proofs first. @returns false when it was not suspended */
    async reinstate(id: string, nodeId: NodeId, cause: SanctionCause, now: Instant): Promise<boolean> {
      const where = isSuspended(nodeId)
      const hasLive = sql`EXISTS (SELECT 1 FROM ${offers} WHERE ${offers.nodeId} = ${nodes.id} AND ${offers.state} = 'live')`
      const isReady = sql`${nodes.provedAt} IS NOT NULL AND ${hasLive}`
      const state = sql<NodeState>`CASE WHEN ${isReady} THEN 'probation' ELSE 'pending' END`
      const reason = sql<string>`CASE WHEN ${isReady} THEN NULL ELSE ${REASON.unproved} END`
      // Who has no trust at all is never called, and so never audited again: it begins where audits will, too.
      const own = db.select({ id: nodes.id }).from(nodes).where(where)
      const trustPpm = Math.round(trustOf(SUSPICION.paroleNats) * 1_000_000)
      const [, , admitted] = await db.batch([
        note(db, { id, what: 'reinstated', ...cause, now }, where),
        db
          .update(offers)
          .set({ trustPpm })
          .where(and(inArray(offers.nodeId, own), eq(offers.trustPpm, 0))),
        db.update(nodes).set({ state, reason }).where(where).returning({ id: nodes.id }),
      ])
      return admitted.length > 0
    },

    /** Why a node that is suspended is; null for one that was stopped before sanctions were written down. */
    async suspension(nodeId: NodeId): Promise<SanctionRow | null> {
      const where = and(eq(sanctions.nodeId, nodeId), eq(sanctions.what, 'suspended'))
      return (await among(where).limit(1).get()) ?? null
    },

    /** Newest first. */
    list: async (nodeId: NodeId): Promise<SanctionRow[]> => among(eq(sanctions.nodeId, nodeId)).limit(LISTED_MAX),
  }
}

interface Note extends SanctionCause {
  readonly id: string
  readonly what: 'suspended' | 'reinstated'
  readonly now: Instant
}

/** The row of a sanction, of the node that `where` still finds. It stands before the change of state in its batch. */
function note(db: Database, { id, what, by, reason, evidence, now }: Note, where: SQL | undefined) {
  return db.insert(sanctions).select(
    db
      .select({
        id: sql<string>`${id}`.as('id'),
        nodeId: sql<string>`${nodes.id}`.as('node_id'),
        operatorAccountId: sql<string>`${nodes.operatorAccountId}`.as('operator_account_id'),
        what: sql<string>`${what}`.as('what'),
        by: sql<string>`${by}`.as('by'),
        reason: sql<string>`${reason}`.as('reason'),
        evidence: sql<string>`${JSON.stringify(evidence)}`.as('evidence'),
        at: sql<number>`${now}`.as('at'),
      })
      .from(nodes)
      .where(where),
  )
}

// What audits found, in the registry: one row for each answer that was asked for, and the trust that follows from it in the offer. The last row of an offer is where its
// suspicion stands.
import { and, desc, eq, inArray, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { audits } from '../../../db/market-schema.ts'
import { models, nodes, offers } from '../../../db/schema.ts'
import {
  instant,
  toSqlInteger,
  type CallId,
  type Instant,
  type ModelId,
  type Nanos,
  type NodeId,
} from '../../../protocol/units.ts'
import type { Model, Offer } from '../market-port.ts'
import { toModel, toOffer } from '../rows.ts'
import type { Standing } from './schedule.ts'
import { afterFinding, carried, trustOf, type Finding } from './suspicion.ts'
import { trustDay } from './told-trust.ts'

export type AuditOutcome = 'right' | 'wrong' | 'unanswered' | 'undecided'

/** What an answer would have cost a caller, and for what: a node's earnings name it like any other call. */
export interface Billed {
  readonly chargedNanos: Nanos
  readonly inputTokens: number
  readonly outputTokens: number
  readonly tensorBytes: number
  readonly endedAt: Instant
}

export interface AuditRow {
  readonly id: CallId
  /** null: compared with an answer that was agreed on before */
  readonly pairId: string | null
  readonly nodeId: NodeId
  readonly modelId: ModelId
  readonly outcome: AuditOutcome
  readonly detail: string | null
  readonly costNanos: Nanos
  readonly billed: Billed | null
  /** what it says of the node; null: nothing */
  readonly finding: Finding | null
  readonly at: Instant
}

/** A live offer, and how it stands. */
export interface Target extends Standing {
  readonly offer: Offer
}

/** offers of all models of one run */
const TARGETS_MAX = 1_000
const NATS = 1_000
const MILLION = 1_000_000

export function createAuditBook(database: D1Database) {
  const db = drizzle(database)
  const lastOf = (column: typeof audits.suspicion | typeof audits.at) =>
    sql<number | null>`(SELECT ${column} FROM ${audits} WHERE ${audits.nodeId} = ${offers.nodeId}
      AND ${audits.modelId} = ${offers.modelId} ORDER BY ${audits.at} DESC, ${audits.id} DESC LIMIT 1)`

  const suspicionOf = async (nodeId: NodeId, modelId: ModelId): Promise<number> => {
    const row = await db
      .select({ suspicion: audits.suspicion })
      .from(audits)
      .where(and(eq(audits.nodeId, nodeId), eq(audits.modelId, modelId)))
      .orderBy(desc(audits.at), desc(audits.id))
      .limit(1)
      .get()
    return (row?.suspicion ?? 0) / NATS
  }

  return {
    /** Every live offer of these models on nodes that take calls. */
    async targets(modelIds: readonly ModelId[], now: Instant): Promise<Target[]> {
      const rows = await db
        .select({ offers, nodes, suspicion: lastOf(audits.suspicion), lastAt: lastOf(audits.at) })
        .from(offers)
        .innerJoin(nodes, eq(nodes.id, offers.nodeId))
        .where(
          and(
            inArray(offers.modelId, [...modelIds]),
            eq(offers.state, 'live'),
            inArray(nodes.state, ['probation', 'active']),
          ),
        )
        .limit(TARGETS_MAX)
      return rows.map(({ offers: offer, nodes: node, suspicion, lastAt }) => ({
        offer: toOffer(offer, node, now),
        suspicion: carried((suspicion ?? 0) / NATS),
        lastAt: lastAt === null ? null : instant(lastAt),
      }))
    },

    /** With its probes. Null: nobody may be served with it. */
    async model(modelId: ModelId): Promise<Model | null> {
      const isServed = and(eq(models.id, modelId), inArray(models.state, ['active', 'deprecated']))
      const row = await db.select().from(models).where(isServed).get()
      return row ? toModel(row) : null
    },

    /**
     * Without a finding, as soon as an answer is there: its node sees it among its earnings as it sees any call, long before somebody else's answer says what it was worth.
     * With what came of it, in the end.
     * @param now the trust of before is told until this day ends
     * @returns the offer's suspicion after it, nats
     */
    async record(row: AuditRow, now: Instant): Promise<number> {
      const { id, pairId, nodeId, modelId, outcome, detail, at } = row
      const before = await suspicionOf(nodeId, modelId)
      const suspicion = row.finding ? afterFinding(before, row.finding) : carried(before)
      const kind = pairId === null ? 'canary' : 'cross'
      const told = { outcome, detail, costNanos: toSqlInteger(row.costNanos), ...billed(row.billed) }
      // Down: what stands just below the sum that suspends must not be read as that sum, which stands for who was let in again.
      const concluded = { ...told, suspicion: Math.floor(suspicion * NATS) }
      const insert = db
        .insert(audits)
        .values({ ...{ id, pairId, nodeId, modelId, kind, at }, ...concluded })
        // What was concluded once stands.
        .onConflictDoUpdate({ target: audits.id, set: concluded, setWhere: eq(audits.outcome, 'undecided') })
      const day = trustDay(now)
      const trust = db
        .update(offers)
        .set({
          trustPpm: Math.round(trustOf(suspicion) * MILLION),
          toldTrustPpm: sql`CASE WHEN ${offers.toldDay} = ${day} THEN ${offers.toldTrustPpm} ELSE ${offers.trustPpm} END`,
          toldDay: day,
        })
        .where(and(eq(offers.nodeId, nodeId), eq(offers.modelId, modelId)))
      await db.batch([insert, trust])
      return suspicion
    },
  }
}

function billed(bill: Billed | null) {
  if (!bill) return { chargedNanos: 0, inputTokens: 0, outputTokens: 0, tensorBytes: 0, endedAt: null }
  return { ...bill, chargedNanos: toSqlInteger(bill.chargedNanos) }
}

export type AuditBook = ReturnType<typeof createAuditBook>

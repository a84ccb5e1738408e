// What audits found, in the registry: one row for each answer that was asked for, the trust that follows from it in the offer, and what is still to be paid. The last row of an
// offer is where its suspicion stands.
import { and, desc, eq, gte, inArray, isNull, lt, ne, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { audits } from '../../../db/market-schema.ts'
import { models, nodes, offers } from '../../../db/schema.ts'
import {
  instant,
  nanos,
  toSqlInteger,
  type AccountId,
  type CallId,
  type Instant,
  type ModelId,
  type Nanos,
  type NodeId,
} from '../../../protocol/units.ts'
import type { Model, Offer } from '../market-port.ts'
import { asAccountId, toModel, toOffer } from '../rows.ts'
import type { Standing } from './schedule.ts'
import { afterFinding, carried, trustOf, type Finding } from './suspicion.ts'

export type AuditOutcome = 'right' | 'wrong' | 'unanswered' | 'undecided'

export interface AuditRow {
  readonly id: CallId
  /** null: compared with an answer that was agreed on before */
  readonly pairId: string | null
  readonly nodeId: NodeId
  readonly modelId: ModelId
  readonly outcome: AuditOutcome
  readonly detail: string | null
  readonly costNanos: Nanos
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

    /** @returns the offer's suspicion after it, nats */
    async record(row: AuditRow): Promise<number> {
      const { id, pairId, nodeId, modelId, outcome, detail, at } = row
      const before = await suspicionOf(nodeId, modelId)
      const suspicion = row.finding ? afterFinding(before, row.finding) : carried(before)
      const kind = pairId === null ? 'canary' : 'cross'
      const costNanos = toSqlInteger(row.costNanos)
      const insert = db
        .insert(audits)
        .values({
          ...{ id, pairId, nodeId, modelId, kind, outcome, detail, costNanos, at },
          suspicion: Math.round(suspicion * NATS),
        })
        .onConflictDoNothing()
      const trust = db
        .update(offers)
        .set({ trustPpm: Math.round(trustOf(suspicion) * MILLION) })
        .where(and(eq(offers.nodeId, nodeId), eq(offers.modelId, modelId)))
      await db.batch([insert, trust])
      return suspicion
    },

    /** What the house came to owe since. */
    async spentSince(from: Instant): Promise<Nanos> {
      const sum = sql<string>`CAST(coalesce(sum(${audits.costNanos}), 0) AS TEXT)`
      const row = await db.select({ sum }).from(audits).where(gte(audits.at, from)).get()
      return nanos(BigInt(row?.sum ?? '0'))
    },

    /** What is owed to operators for days that are over, oldest first. @param before the beginning of a day */
    async unpaid(before: Instant, rows: number): Promise<Owed[]> {
      const day = sql<number>`${audits.at} / ${DAY_MS}`
      const sum = sql<string>`CAST(sum(${audits.costNanos}) AS TEXT)`
      const found = await db
        .select({ operator: nodes.operatorAccountId, day, sum })
        .from(audits)
        .innerJoin(nodes, eq(nodes.id, audits.nodeId))
        .where(and(isNull(audits.paidNanos), ne(audits.costNanos, 0), lt(audits.at, before)))
        .groupBy(nodes.operatorAccountId, day)
        .orderBy(day)
        .limit(rows)
      return found.map((row) => ({
        operator: asAccountId(row.operator),
        day: row.day,
        owedNanos: nanos(BigInt(row.sum)),
      }))
    },

    /** Writes down what an operator got for a day; of less than was owed each audit has its part. */
    async paid({ operator, day, owedNanos }: Owed, movedNanos: Nanos): Promise<void> {
      const own = db.select({ id: nodes.id }).from(nodes).where(eq(nodes.operatorAccountId, operator))
      const part = Number((movedNanos * BigInt(MILLION)) / owedNanos)
      await db
        .update(audits)
        .set({ paidNanos: sql`${audits.costNanos} * ${part} / ${MILLION}` })
        .where(
          and(
            isNull(audits.paidNanos),
            inArray(audits.nodeId, own),
            gte(audits.at, day * DAY_MS),
            lt(audits.at, (day + 1) * DAY_MS),
          ),
        )
    },

    /** A node's audits by day and model, newest first, of days that are over. @param before the beginning of a day */
    async days(nodeId: NodeId, before: Instant, rows: number): Promise<AuditedDay[]> {
      const day = sql<number>`${audits.at} / ${DAY_MS}`
      const count = (outcome: AuditOutcome) => sql<number>`sum(${audits.outcome} = ${outcome})`
      return db
        .select({
          day,
          modelId: audits.modelId,
          right: count('right'),
          wrong: count('wrong'),
          unanswered: count('unanswered'),
          undecided: count('undecided'),
          details: sql<string>`json_group_array(DISTINCT ${audits.detail}) FILTER (WHERE ${audits.outcome} = 'wrong')`,
          paidNanos: sql<number>`coalesce(sum(${audits.paidNanos}), 0)`,
        })
        .from(audits)
        .where(and(eq(audits.nodeId, nodeId), lt(audits.at, before)))
        .groupBy(day, audits.modelId)
        .orderBy(desc(day), audits.modelId)
        .limit(rows)
    },

    /** The node's own ids, for who asks about it. */
    async trust(nodeId: NodeId): Promise<{ operator: AccountId; offers: { modelId: string; trust: number }[] } | null> {
      const rows = await db
        .select({ operator: nodes.operatorAccountId, modelId: offers.modelId, trustPpm: offers.trustPpm })
        .from(nodes)
        .leftJoin(offers, eq(offers.nodeId, nodes.id))
        .where(eq(nodes.id, nodeId))
      const [first] = rows
      if (!first) return null
      const known = rows.flatMap(({ modelId, trustPpm }) =>
        modelId === null ? [] : [{ modelId, trust: (trustPpm ?? MILLION) / MILLION }],
      )
      return { operator: asAccountId(first.operator), offers: known }
    },
  }
}

export const DAY_MS = 86_400_000

export interface Owed {
  readonly operator: AccountId
  /** days since the Unix epoch, UTC */
  readonly day: number
  readonly owedNanos: Nanos
}

export interface AuditedDay {
  readonly day: number
  readonly modelId: string
  readonly right: number
  readonly wrong: number
  readonly unanswered: number
  readonly undecided: number
  /** JSON list of sentences */
  readonly details: string
  readonly paidNanos: number
}

export type AuditBook = ReturnType<typeof createAuditBook>

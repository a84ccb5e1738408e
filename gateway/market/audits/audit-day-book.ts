// What follows from audits beside suspicion, read and written by the day: what the house spent, what it still owes to whom, and what an operator is told. Days are UTC.
import { and, desc, eq, gte, inArray, isNull, lt, ne, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { audits } from '../../../db/market-schema.ts'
import { nodes, offers } from '../../../db/schema.ts'
import { nanos, type AccountId, type Instant, type Nanos, type NodeId } from '../../../protocol/units.ts'
import { asAccountId } from '../rows.ts'
import type { AuditOutcome } from './audit-book.ts'
import { toldTrustPpm } from './told-trust.ts'

const MILLION = 1_000_000
export const DAY_MS = 86_400_000
/** ms that a debt is looked for: a guard that does not answer for so long will not */
const OWED_MS = 14 * DAY_MS
/** ms that an audit is kept, and rows that one purge takes */
const KEPT_MS = 93 * DAY_MS
const PURGED_MAX = 1_000
/** Numbers are bound as floats, and a float's division leaves a fraction. */
const DAY_OF = sql<number>`CAST(${audits.at} / ${DAY_MS} AS INTEGER)`

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

/** What is spent and owed. */
export function createAuditPayBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** What the house came to owe since. */
    async spentSince(from: Instant): Promise<Nanos> {
      const sum = sql<string>`CAST(coalesce(sum(${audits.costNanos}), 0) AS TEXT)`
      const row = await db.select({ sum }).from(audits).where(gte(audits.at, from)).get()
      return nanos(BigInt(row?.sum ?? '0'))
    },

    /** What is owed to operators for days that are over, oldest first. @param before the beginning of a day */
    async unpaid(before: Instant, rows: number): Promise<Owed[]> {
      const day = DAY_OF
      const sum = sql<string>`CAST(sum(${audits.costNanos}) AS TEXT)`
      const found = await db
        .select({ operator: nodes.operatorAccountId, day, sum })
        .from(audits)
        .innerJoin(nodes, eq(nodes.id, audits.nodeId))
        .where(
          and(
            isNull(audits.paidNanos),
            ne(audits.costNanos, 0),
            gte(audits.at, before - OWED_MS),
            lt(audits.at, before),
          ),
        )
        .groupBy(nodes.operatorAccountId, day)
        .orderBy(day)
        .limit(rows)
      return found.map((row) => ({
        operator: asAccountId(row.operator),
        day: row.day,
        owedNanos: nanos(BigInt(row.sum)),
      }))
    },

    /** Old ones leave, but for the last of each offer, which is what it is suspected of. */
    async purge(now: Instant): Promise<void> {
      const isFollowed = sql`EXISTS (SELECT 1 FROM ${audits} AS later WHERE later.node_id = audits.node_id
        AND later.model_id = audits.model_id AND later.at > audits.at)`
      await db.run(sql`DELETE FROM ${audits} WHERE id IN
        (SELECT id FROM ${audits} WHERE ${audits.at} < ${now - KEPT_MS} AND ${isFollowed} ORDER BY ${audits.at} LIMIT ${PURGED_MAX})`)
    },

    /** Writes down what an operator got for a day; of less than was owed each audit has its part. */
    async paid({ operator, day, owedNanos }: Owed, movedNanos: Nanos): Promise<void> {
      const own = db.select({ id: nodes.id }).from(nodes).where(eq(nodes.operatorAccountId, operator))
      const part = Number((movedNanos * BigInt(MILLION)) / owedNanos)
      await db
        .update(audits)
        .set({ paidNanos: sql`CAST(${audits.costNanos} * ${part} / ${MILLION} AS INTEGER)` })
        .where(
          and(
            isNull(audits.paidNanos),
            inArray(audits.nodeId, own),
            gte(audits.at, day * DAY_MS),
            lt(audits.at, (day + 1) * DAY_MS),
          ),
        )
    },
  }
}

/** What an operator is told. */
export function createAuditViewBook(database: D1Database) {
  const db = drizzle(database)
  return {
    /** A node's audits by day and model, newest first, of days that are over. @param before the beginning of a day */
    async days(nodeId: NodeId, before: Instant, rows: number): Promise<AuditedDay[]> {
      const day = DAY_OF
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
    async trust(
      nodeId: NodeId,
      now: Instant,
    ): Promise<{ operator: AccountId; offers: { modelId: string; trust: number }[] } | null> {
      const kept = { trustPpm: offers.trustPpm, toldTrustPpm: offers.toldTrustPpm, toldDay: offers.toldDay }
      const rows = await db
        .select({ operator: nodes.operatorAccountId, modelId: offers.modelId, ...kept })
        .from(nodes)
        .leftJoin(offers, eq(offers.nodeId, nodes.id))
        .where(eq(nodes.id, nodeId))
      const [first] = rows
      if (!first) return null
      const known = rows.flatMap(({ modelId, ...trust }) =>
        modelId === null ? [] : [{ modelId, trust: (toldTrustPpm(trust, now) ?? MILLION) / MILLION }],
      )
      return { operator: asAccountId(first.operator), offers: known }
    },
  }
}

export type AuditPayBook = ReturnType<typeof createAuditPayBook>

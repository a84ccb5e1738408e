// What operators said of models: accepted, or blocked. A block pauses their offers of it in the same batch that writes it down, and whatever saves offers
// later pauses them again at its end, so that neither a registration nor a lifted block of the house revives one.
import { and, asc, count, eq, inArray, sql, type SQL } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { modelRules } from '../../../db/admin-schema.ts'
import { models, nodes, offers } from '../../../db/schema.ts'
import type { AccountId, Instant } from '../../../protocol/units.ts'
import { LIMITS } from '../../core/limits.ts'
import { REASON } from '../admission/admission.ts'

type Database = ReturnType<typeof drizzle>
/** null: none */
type Rule = 'accepted' | 'blocked' | null

export interface RuleRow {
  readonly modelId: string
  readonly rule: string
  readonly at: number
}

export function createModelRuleBook(registry: D1Database) {
  const db = drizzle(registry)
  return {
    /** By model. */
    list: (operator: AccountId): Promise<RuleRow[]> =>
      db
        .select({ modelId: modelRules.modelId, rule: modelRules.rule, at: modelRules.at })
        .from(modelRules)
        .where(eq(modelRules.operatorAccountId, operator))
        .orderBy(asc(modelRules.modelId))
        .limit(LIMITS.modelRulesPerOperator),

    async isModel(id: string): Promise<boolean> {
      return (await db.select({ id: models.id }).from(models).where(eq(models.id, id)).get()) !== undefined
    },

    /**
     * @param rule null lifts: what a block had paused waits for its probes
     * @param was the rule it is based on; undefined: whichever there is
     * @returns full: there are as many rules as one operator may have
     */
    async set(
      operator: AccountId,
      modelId: string,
      { rule, was }: { readonly rule: Rule; readonly was?: Rule | undefined },
      now: Instant,
    ): Promise<'set' | 'changed' | 'full'> {
      const isRule = and(eq(modelRules.operatorAccountId, operator), eq(modelRules.modelId, modelId))
      const said = db.select({ n: count() }).from(modelRules).where(eq(modelRules.operatorAccountId, operator))
      const isSaid = db
        .select({ one: sql`1` })
        .from(modelRules)
        .where(isRule)
      const before = db.select({ rule: modelRules.rule }).from(modelRules).where(isRule)
      const isSeen = was === undefined ? sql`TRUE` : sql`(${before}) IS ${was}`
      const write =
        rule === null
          ? db.delete(modelRules).where(and(isRule, isSeen))
          : db
              .insert(modelRules)
              .select(
                sql`SELECT ${operator}, ${modelId}, ${rule}, ${now} WHERE ${isSeen} AND ((${said}) < ${LIMITS.modelRulesPerOperator} OR EXISTS ${isSaid})`,
              )
              .onConflictDoUpdate({
                target: [modelRules.operatorAccountId, modelRules.modelId],
                set: { rule, at: now },
              })
      const ofOperator = and(eq(offers.modelId, modelId), inArray(offers.nodeId, nodesOf(db, operator)))
      const lift = db
        .update(offers)
        .set({ state: 'pending', reason: REASON.unprobed, updatedAt: now })
        .where(and(ofOperator, eq(offers.state, 'paused'), eq(offers.reason, REASON.blockedByOperator)))
      // Lifted first and paused again where it still holds: one batch for every change.
      const [[earlier], , , , [row]] = await db.batch([before, write, lift, pauseBlocked(db, ofOperator, now), before])
      if (was !== undefined && (earlier?.rule ?? null) !== was) return 'changed'
      return (row?.rule ?? null) === rule ? 'set' : 'full'
    },
  }
}

const nodesOf = (db: Database, operator: AccountId) =>
  db.select({ id: nodes.id }).from(nodes).where(eq(nodes.operatorAccountId, operator))

/** The statement that pauses what its operator has blocked, of the offers that `where` finds. It stands behind whatever makes offers pending or live. */
export function pauseBlocked(db: Database, where: SQL | undefined, now: Instant) {
  const isBlocked = sql`EXISTS (SELECT 1 FROM ${nodes} INNER JOIN ${modelRules} ON ${modelRules.operatorAccountId} = ${nodes.operatorAccountId} WHERE ${nodes.id} = ${offers.nodeId} AND ${modelRules.modelId} = ${offers.modelId} AND ${modelRules.rule} = 'blocked')`
  return db
    .update(offers)
    .set({ state: 'paused', reason: REASON.blockedByOperator, updatedAt: now })
    .where(and(where, inArray(offers.state, ['live', 'pending']), isBlocked))
}

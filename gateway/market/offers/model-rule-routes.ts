// `/api/operator/models`: which models an operator's nodes may serve. By the wallet or a managing key.
import { Hono } from 'hono'
import type { z } from 'zod'
import { ModelRule, ModelRuleRequest, type ModelRuleList } from '../../../protocol/disputes.ts'
import type { AccountId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { identified, managing, requireManager, type KeyInspector } from '../../core/management.ts'
import type { AppEnv } from '../../core/principal.ts'
import { jsonBody } from '../../core/validate.ts'
import { createModelRuleBook } from './model-rule-book.ts'

export interface ModelRuleNeeds {
  /** the registry */
  readonly db: D1Database
  readonly clock: Clock
  readonly accounts: (accountId: AccountId) => KeyInspector
}

/** Mounted at /api. */
export function createModelRuleRoutes({ db, clock, accounts }: ModelRuleNeeds) {
  const book = createModelRuleBook(db)
  const listOf = async (operator: AccountId): Promise<z.infer<typeof ModelRuleList>> => ({
    data: (await book.list(operator)).map(({ modelId, rule, at }) => ({
      model: modelId,
      rule: ModelRule.shape.rule.parse(rule),
      at: new Date(at).toISOString(),
    })),
  })
  return new Hono<AppEnv>()
    .get('/operator/models', identified, async (c) => {
      const { accountId } = await requireManager(c, accounts)
      return c.json(await listOf(accountId))
    })
    .put('/operator/models', managing(accounts), jsonBody(ModelRuleRequest), async (c) => {
      const { accountId } = await requireManager(c, accounts)
      const { model, ...said } = c.req.valid('json')
      // A rule about a model that is gone can be lifted, and none made.
      if (said.rule !== null && !(await book.isModel(model)))
        throw new GatewayError('model_not_found', { param: 'model' })
      const outcome = await book.set(accountId, model, said, clock())
      if (outcome === 'changed') throw new GatewayError('changed_meanwhile')
      if (outcome === 'full')
        throw new GatewayError('conflict', { detail: `At most ${LIMITS.modelRulesPerOperator} models have a rule.` })
      return c.json(await listOf(accountId))
    })
}

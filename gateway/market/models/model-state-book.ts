// A change of a model's state in the registry, with its offers: served to nobody means that they are paused with the reason, and served again that
// they wait for their probes. One batch, and nothing of it when the state was changed by somebody else meanwhile.
import { and, eq, inArray, or, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import { models, offers } from '../../../db/schema.ts'
import type { Instant } from '../../../protocol/units.ts'
import { REASON } from '../admission/admission.ts'
import type { Model } from '../market-port.ts'
import { pauseBlocked } from '../offers/model-rule-book.ts'
import { pauseReason, type Standing } from './model-state.ts'

/** @returns false when the model was not as `before` any more */
export async function saveModelState(
  database: D1Database,
  before: Model,
  after: Standing,
  now: Instant,
): Promise<boolean> {
  const db = drizzle(database)
  const same = and(
    eq(models.id, before.id),
    eq(models.state, before.state),
    sql`${models.stateAt} IS ${before.stateAt}`,
  )
  // Of this very change: only the batch whose first statement found the model may go on to its offers.
  const isChanged = sql`EXISTS (SELECT 1 FROM ${models} WHERE ${models.id} = ${before.id} AND ${models.state} = ${after.state} AND ${models.stateAt} = ${now})`
  const [wasPaused, isPaused] = [pauseReason(before), pauseReason(after)]
  const pausedByIt = and(eq(offers.state, 'paused'), eq(offers.reason, wasPaused ?? ''))
  const next = isPaused === null ? { state: 'pending', reason: REASON.unprobed } : { state: 'paused', reason: isPaused }
  const touched = isPaused === null ? pausedByIt : or(inArray(offers.state, ['live', 'pending']), pausedByIt)
  const saveModel = db
    .update(models)
    .set({ state: after.state, stateReason: after.reason, replacedBy: after.replacedBy, stateAt: now })
    .where(same)
    .returning({ id: models.id })
  const saveOffers = db
    .update(offers)
    .set({ ...next, updatedAt: now })
    .where(and(eq(offers.modelId, before.id), touched, isChanged))
  const [changed] = await db.batch([saveModel, saveOffers, pauseBlocked(db, eq(offers.modelId, before.id), now)])
  return changed.length > 0
}

// `/api/nodes/{id}/audits`: what audits found of a node, for its operator, its own key or an admin. By day and never by call, of days that are over: whoever could tell which of its
// calls were audits would serve those well. Trust too is that of the days that are over. No answer and no question is in it.
import { Hono } from 'hono'
import { z } from 'zod'
import type { NodeAuditsView } from '../../../protocol/operator.ts'
import { isNodeId, nanos, toUsd, type AccountId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { requireNodeKeeper, type KeyInspector } from '../../core/management.ts'
import type { AppEnv } from '../../core/principal.ts'
import { createAuditViewBook } from './audit-day-book.ts'
import { dayOf, startOfDay } from './audit-pay.ts'

export interface AuditRoutesNeeds {
  /** the registry */
  readonly db: D1Database
  readonly accounts: (accountId: AccountId) => KeyInspector
  readonly clock: Clock
}

/** days and models: a month of three models */
const ROWS_MAX = 93

export function createAuditRoutes({ db, accounts, clock }: AuditRoutesNeeds) {
  const book = createAuditViewBook(db)
  return new Hono<AppEnv>().get('/nodes/:id/audits', async (c) => {
    const nodeId = c.req.param('id')
    const keeper = await requireNodeKeeper(c, accounts, nodeId)
    const known = isNodeId(nodeId) ? await book.trust(nodeId, clock()) : null
    // Another's node is not there.
    if (!isNodeId(nodeId) || !known || !(keeper.isAdmin || known.operator === keeper.accountId))
      throw new GatewayError('not_found')
    const days = await book.days(nodeId, startOfDay(clock()), ROWS_MAX)
    const view: NodeAuditsView = {
      offers: known.offers.map(({ modelId, trust }) => ({ model: modelId, trust })),
      days: days.map(({ day, modelId, details, paidNanos, ...counts }) => ({
        day: dayOf(day),
        model: modelId,
        ...counts,
        findings: Sentences.parse(JSON.parse(details)),
        paid: toUsd(nanos(BigInt(paidNanos))),
      })),
    }
    return c.json(view)
  })
}

const Sentences = z.array(z.string())

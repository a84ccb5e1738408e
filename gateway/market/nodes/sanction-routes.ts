// `/api/admin/nodes/{id}/suspend` and `/reinstate`: an admin with a fresh sign-in stops a node, and lets it in again. Both are written down with the reason,
// which its operator reads. What audits suspend comes the same way, without a route.
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { SanctionRequest } from '../../../protocol/operator.ts'
import { isNodeId, type NodeId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { requireAdmin, type AppEnv } from '../../core/principal.ts'
import { jsonBody } from '../../core/validate.ts'
import { createOfferBook, type OfferedNode } from '../offers/offer-book.ts'
import { toNodeView } from './node-view.ts'
import type { SanctionCause, Sanctions } from './sanction-port.ts'

export interface SanctionRoutesNeeds {
  /** the registry */
  readonly db: D1Database
  readonly sanctions: Sanctions
  readonly clock: Clock
}

/** Mounted at /api. */
export function createSanctionRoutes({ db, sanctions, clock }: SanctionRoutesNeeds) {
  const book = createOfferBook(db)

  /** Who is asking is settled before a body is read. */
  const freshAdmin: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireAdmin(c, clock())
    await next()
  }
  const look = async (id: NodeId): Promise<OfferedNode> => {
    const found = await book.look(id)
    if (!found) throw new GatewayError('not_found', { detail: 'There is no such node.' })
    return found
  }
  const existing = async (text: string): Promise<NodeId> => {
    if (!isNodeId(text)) throw new GatewayError('not_found', { detail: 'There is no such node.' })
    await look(text)
    return text
  }
  const causeOf = (c: Context<AppEnv>, reason: string): SanctionCause => ({
    by: 'house',
    reason,
    evidence: { admin: requireAdmin(c).accountId },
  })
  const answer = async (id: NodeId, isDone: boolean) => {
    const found = await look(id)
    if (!isDone) throw new GatewayError('conflict', { detail: `This node is ${found.node.state}.` })
    return toNodeView(found, clock())
  }

  return new Hono<AppEnv>()
    .post('/admin/nodes/:id/suspend', freshAdmin, jsonBody(SanctionRequest), async (c) => {
      const id = await existing(c.req.param('id'))
      return c.json(await answer(id, await sanctions.suspend(id, causeOf(c, c.req.valid('json').reason))))
    })
    .post('/admin/nodes/:id/reinstate', freshAdmin, jsonBody(SanctionRequest), async (c) => {
      const id = await existing(c.req.param('id'))
      return c.json(await answer(id, await sanctions.reinstate(id, causeOf(c, c.req.valid('json').reason))))
    })
}

// The market's routes, mounted at /api: models (their own file), register nodes and look after them. A hello carries no session: the node's key signs it.
import { Hono } from 'hono'
import { HelloRequest, RegisterNodeRequest } from '../../protocol/node.ts'
import { isNodeId, type NodeId } from '../../protocol/units.ts'
import type { Config } from '../core/env.ts'
import { GatewayError, logError } from '../core/errors.ts'
import { readJson } from '../core/json-body.ts'
import type { NodeQuotas } from '../core/limits.ts'
import { requireSession, type AppEnv, type SessionPrincipal } from '../core/principal.ts'
import { regionOf } from '../core/region.ts'
import { takes } from '../core/validate.ts'
import type { Resolve } from '../link/endpoint-guard.ts'
import { REASON } from './admission/admission.ts'
import { checkHello } from './nodes/authorization.ts'
import { createModelRoutes } from './models/model-routes.ts'
import { createNodeKeyRoutes } from './nodes/node-key-routes.ts'
import { createNodeBook, type NodeRecord, type NodeSummary } from './nodes/node-book.ts'
import type { NodeGuards } from './guard/node-guard.ts'
import { toNodeView } from './nodes/node-view.ts'
import { createPriceRoutes } from './offers/price-routes.ts'
import type { ProbeNeeds } from './admission/probe.ts'
import { createRegionBook } from './nodes/region-book.ts'
import { registerNode } from './nodes/register.ts'
import { reviewNode } from './admission/review.ts'
import { asNodeId } from './rows.ts'

export interface MarketRoutesNeeds extends ProbeNeeds {
  readonly db: D1Database
  readonly nodeGuards: NodeGuards
  readonly config: Pick<Config, 'domain' | 'keySecret' | 'chainId' | 'isLocal'>
  /** absent: names are not looked up (local mode) */
  readonly resolve?: Resolve
  readonly proofMs?: number
  /** absent: those of limits.ts, and under the local switch none */
  readonly quotas?: NodeQuotas
}

/** A node that says hello over and over is reviewed at most this often. ms */
const HELLO_MS = 2_000

export function createMarketRoutes(needs: MarketRoutesNeeds) {
  const book = createNodeBook(needs.db)
  const regions = createRegionBook(needs.db)
  const review = (nodeId: NodeId, proveAgain: boolean) => reviewNode({ ...needs, book }, nodeId, { proveAgain })
  const view = (record: NodeSummary) => toNodeView(record, needs.clock())

  const find = async (id: string): Promise<NodeRecord & { id: NodeId }> => {
    const record = isNodeId(id) ? await book.find(id) : null
    if (!record || !isNodeId(id)) throw new GatewayError('not_found')
    return { ...record, id }
  }
  /** Another's node is not there, so that ids tell nothing. */
  const findOwn = async (id: string, principal: SessionPrincipal) => {
    const record = await find(id)
    const isAllowed = record.node.operatorAccountId === principal.accountId || principal.roles.includes('admin')
    if (!isAllowed) throw new GatewayError('not_found')
    return record
  }

  return new Hono<AppEnv>()
    .route('/', createPriceRoutes(needs))
    .route('/', createModelRoutes(needs))
    .route('/', createNodeKeyRoutes({ ...needs, book }))
    .post('/nodes', takes(RegisterNodeRequest), async (c) => {
      const { accountId } = requireSession(c)
      const request = await readJson(c.req.raw, RegisterNodeRequest)
      const record = await registerNode({ ...needs, book }, request, accountId)
      const requestId = c.var.requestId
      const later = review(asNodeId(record.node.id), false)
      c.executionCtx.waitUntil(later.catch((error: unknown) => logError(error, requestId)))
      return c.json(view(record), 201)
    })
    .get('/nodes', async (c) => {
      const { accountId } = requireSession(c)
      const { data, nextCursor } = await book.page(accountId, c.req.query('cursor') ?? null)
      return c.json({ data: data.map(view), nextCursor })
    })
    .get('/nodes/:id', async (c) => c.json(view(await findOwn(c.req.param('id'), requireSession(c)))))
    .post('/nodes/:id/hello', async (c) => {
      const { proof } = await readJson(c.req.raw, HelloRequest)
      const record = await find(c.req.param('id'))
      const now = needs.clock()
      const checked = await checkHello(proof, { id: record.id, nodeKey: record.node.nodeKey }, Math.floor(now / 1_000))
      if (!checked.ok) throw new GatewayError(checked.code, { param: 'proof', detail: checked.detail })
      if (record.node.state === 'revoked') throw new GatewayError('authorization_refused', { detail: REASON.revoked })
      if (!(await book.saw(record.id, now, HELLO_MS))) return c.json(view(record))
      await regions.note(record.node, regionOf(c.req.raw))
      const reviewed = review(record.id, true)
      // A slow node hangs up before its probes are over; the review ends all the same.
      c.executionCtx.waitUntil(reviewed.catch(() => undefined))
      await reviewed
      return c.json(view(await find(record.id)))
    })
}

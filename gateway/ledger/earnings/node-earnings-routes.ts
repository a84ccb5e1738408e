// `/api/nodes/{id}/earnings`: the calls a node was paid for, by its operator's wallet or managing key, by the node's own key, or by an admin. A refunded
// call stands here as it was paid: what was taken back is a line of its own in the operator's journal, and names the call.
import { Hono } from 'hono'
import { z } from 'zod'
import type { EarningsPage } from '../../../protocol/operator.ts'
import { isNodeId, type NodeId } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { requireNodeKeeper } from '../../core/management.ts'
import { PageQuery } from '../../core/page.ts'
import type { AppEnv } from '../../core/principal.ts'
import { queryString } from '../../core/validate.ts'
import type { Accounts } from '../account-port.ts'
import { earningsPage, placeOfCursor, type Reading } from './node-earnings.ts'
import { createNodeEarnings, type EarningsQuestion, type NodeOwner } from './node-earnings-book.ts'

export interface EarningsNeeds {
  readonly books: readonly D1Database[]
  readonly accounts: Accounts
  /** null: there is no such node */
  readonly nodeOwner: (nodeId: NodeId) => Promise<NodeOwner | null>
  /** what the house's own calls brought: its node cannot tell them from others */
  readonly auditEarnings: (question: EarningsQuestion) => Promise<Reading>
}

/** A time, or a day: its first moment in UTC. */
const Moment = z
  .union([z.iso.datetime(), z.iso.date()], 'a time like 2026-01-31T00:00:00Z, or a day')
  .transform(Date.parse)
const EarningsQuery = PageQuery.extend({
  /** included */
  from: Moment.optional(),
  /** left out */
  to: Moment.optional(),
})

export function createNodeEarningsRoutes({ books, accounts, nodeOwner, auditEarnings }: EarningsNeeds) {
  const read = createNodeEarnings(books)

  return new Hono<AppEnv>().get('/nodes/:id/earnings', queryString(EarningsQuery), async (c) => {
    const nodeId = c.req.param('id')
    const keeper = await requireNodeKeeper(c, accounts, nodeId)
    const owner = isNodeId(nodeId) ? await nodeOwner(nodeId) : null
    // Another's node is not there.
    const isAllowed = owner !== null && (keeper.isAdmin || owner.accountId === keeper.accountId)
    if (!isNodeId(nodeId) || !owner || !isAllowed) throw new GatewayError('not_found')
    const { from = 0, to = Number.MAX_SAFE_INTEGER, cursor, limit: rows = LIMITS.pageRows } = c.req.valid('query')
    const after = cursor === undefined ? null : placeOfCursor(cursor)
    if (cursor !== undefined && after === null)
      throw new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
    const question = { nodeId, owner, from, to, after, rows }
    const [readings, audits] = await Promise.all([read(question), auditEarnings(question)])
    const page = earningsPage([...readings, audits], rows)
    return c.json(page satisfies EarningsPage)
  })
}

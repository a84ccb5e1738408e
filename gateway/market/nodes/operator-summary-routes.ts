// `/api/operator/summary`: many machines on one page. All nodes of an account with their state, why they get no traffic, their link and their traffic, and
// beside them the account's money. By the wallet or a managing key; a node's key asks for its own status.
import { Hono } from 'hono'
import type { OperatorSummary, Traffic } from '../../../protocol/operator.ts'
import type { AccountId, Instant, NodeId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { LIMITS } from '../../core/limits.ts'
import { identified, requireManager, type KeyInspector } from '../../core/management.ts'
import { PageQuery } from '../../core/page.ts'
import type { AppEnv } from '../../core/principal.ts'
import { queryString } from '../../core/validate.ts'
import { createNodeBook } from './node-book.ts'
import { createNodeOwners } from './node-owner-book.ts'
import { toNodeView } from './node-view.ts'
import { asNodeId } from '../rows.ts'

interface NodeTraffic {
  readonly day: Traffic
  readonly month: Traffic
  readonly lastCallAt: Instant | null
}

/** Sums and money are the ledger's to read. */
export interface SummaryNeeds {
  /** the registry */
  readonly db: D1Database
  readonly accounts: (accountId: AccountId) => KeyInspector
  readonly trafficOf: (nodeIds: readonly NodeId[], now: Instant) => Promise<ReadonlyMap<NodeId, NodeTraffic>>
  readonly sumTraffic: (all: readonly Traffic[]) => Traffic
  readonly operatorMoney: (accountId: AccountId) => Promise<OperatorSummary['money']>
  readonly clock: Clock
}

export function createOperatorSummaryRoutes(needs: SummaryNeeds) {
  const { accounts, clock, sumTraffic } = needs
  const book = createNodeBook(needs.db)
  const owners = createNodeOwners(needs.db)

  return new Hono<AppEnv>().get('/operator/summary', identified, queryString(PageQuery), async (c) => {
    const { accountId } = await requireManager(c, accounts)
    const { cursor = null, limit = LIMITS.pageRows } = c.req.valid('query')
    const now = clock()
    const [page, nodeIds, money] = await Promise.all([
      book.page(accountId, cursor, limit),
      owners.nodesOf(accountId),
      needs.operatorMoney(accountId),
    ])
    const traffic = await needs.trafficOf(nodeIds, now)
    const all = [...traffic.values()]
    const nothing = { day: sumTraffic([]), month: sumTraffic([]), lastCallAt: null }
    const data = page.data.map((record): OperatorSummary['data'][number] => {
      // A node that was registered between the two readings has done nothing yet.
      const { day, month, lastCallAt } = traffic.get(asNodeId(record.node.id)) ?? nothing
      return {
        node: toNodeView(record, now),
        traffic: { day, month },
        lastCallAt: lastCallAt === null ? null : new Date(lastCallAt).toISOString(),
      }
    })
    const summary: OperatorSummary = {
      nodes: nodeIds.length,
      traffic: { day: sumTraffic(all.map(({ day }) => day)), month: sumTraffic(all.map(({ month }) => month)) },
      money,
      data,
      nextCursor: page.nextCursor,
    }
    return c.json(summary)
  })
}

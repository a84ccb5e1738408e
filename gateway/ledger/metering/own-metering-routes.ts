// `/api`: what an account spends, what a node of its does, what its models bring in, over time. Everything is read of sums; what somebody else's is, is not there.
import { Hono } from 'hono'
import type { NodeHistoryReply } from '../../../protocol/metering.ts'
import { RangeQuery, RoyaltiesReply, SpendQuery, SpendReply } from '../../../protocol/metering.ts'
import { isNodeId, type AccountId, type NodeId } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { identified, requireManager, requireNodeKeeper } from '../../core/management.ts'
import type { AppEnv } from '../../core/principal.ts'
import { queryString } from '../../core/validate.ts'
import type { BookOf } from '../book/account-book.ts'
import type { Accounts } from '../account-port.ts'
import { spendGroups, spendPoints } from './account-sums-book.ts'
import { exported, FormatQuery, royaltiesTable, spendTable } from './exported.ts'
import { createHouseSums, latencyViews } from './house-sums-book.ts'
import { NO_COUNTS } from './latency.ts'
import { measures, totalOf, usd, type Sums } from './sums.ts'
import { rangeOf, toldGroups, toldPoints, toldRange } from './told.ts'

export interface OwnMeteringNeeds {
  readonly books: readonly D1Database[]
  readonly bookOf: BookOf
  readonly accounts: Accounts
  /** null: there is no such node */
  readonly nodeOwner: (nodeId: NodeId) => Promise<{ readonly accountId: AccountId } | null>
  /** ids of the models that pay this account */
  readonly modelsOf: (author: AccountId) => Promise<readonly string[]>
}

/** largest first; what comes after them is in the total */
const GROUPS_MAX = 50

export function createOwnMeteringRoutes({ books, bookOf, accounts, nodeOwner, modelsOf }: OwnMeteringNeeds) {
  const house = createHouseSums(books)

  return new Hono<AppEnv>()
    .get(
      '/spend',
      identified,
      queryString(SpendQuery.extend(FormatQuery.shape)),
      exported('spend', SpendReply, spendTable),
      async (c) => {
        const { accountId } = await requireManager(c, accounts)
        const { by, key, model, node, ...asked } = c.req.valid('query')
        const range = rangeOf(asked)
        const book = await bookOf(accountId)
        const filters = { key, model, node }
        const [points, groups] = await Promise.all([
          spendPoints(book, accountId, range, filters),
          spendGroups(book, accountId, range, filters, by, GROUPS_MAX),
        ])
        return c.json({
          ...toldRange(range),
          total: measures(totalOf(points.map(([, sums]) => sums))),
          points: toldPoints(points, measures),
          groups: toldGroups(groups, measures),
        } satisfies SpendReply)
      },
    )

    .get('/nodes/:id/history', queryString(RangeQuery), async (c) => {
      const node = c.req.param('id')
      const keeper = await requireNodeKeeper(c, accounts, node)
      const owner = isNodeId(node) ? await nodeOwner(node) : null
      // Another's node is not there.
      if (!owner || !(keeper.isAdmin || owner.accountId === keeper.accountId)) throw new GatewayError('not_found')
      const range = rangeOf(c.req.valid('query'))
      const { points, latencies } = await house.overTime(range, { node })
      return c.json({
        ...toldRange(range),
        points: toldPoints(points, (sums, at) => ({
          ...measures(sums),
          earned: usd(sums.operatorNanos),
          ...latencyViews(latencies.get(at) ?? NO_COUNTS),
        })),
      } satisfies NodeHistoryReply)
    })

    .get(
      '/author/royalties',
      identified,
      queryString(RangeQuery.extend(FormatQuery.shape)),
      exported('royalties', RoyaltiesReply, royaltiesTable),
      async (c) => {
        const { accountId } = await requireManager(c, accounts)
        const range = rangeOf(c.req.valid('query'))
        const own = await modelsOf(accountId)
        const [points, models] = await Promise.all([house.pointsOfModels(range, own), house.eachModel(range, own)])
        return c.json({
          ...toldRange(range),
          points: toldPoints(points, royalty),
          models: toldGroups(models, royalty),
        } satisfies RoyaltiesReply)
      },
    )
}

const royalty = (sums: Sums) => ({ ...measures(sums), royalty: usd(sums.authorNanos) })

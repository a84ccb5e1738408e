// `/api/operator/earnings`: what all nodes of an account brought in, over time, by node and by model. For the wallet or a managing key. Of sums; nothing is
// taken off for what waits, was withdrawn or was refunded later: that is the account's money (operator/summary).
import { Hono } from 'hono'
import { OperatorEarningsReply, RangeQuery } from '../../../protocol/metering.ts'
import type { AccountId } from '../../../protocol/units.ts'
import { identified, requireManager } from '../../core/management.ts'
import type { AppEnv } from '../../core/principal.ts'
import { queryString } from '../../core/validate.ts'
import type { Accounts } from '../account-port.ts'
import { earningsTable, exported, FormatQuery } from './exported.ts'
import { createOperatorSums, type OfferOf } from './operator-sums-book.ts'
import { measures, usd, type Sums } from './sums.ts'
import { rangeOf, toldGroups, toldPoints, toldRange } from './told.ts'

export interface OperatorEarningsNeeds {
  readonly books: readonly D1Database[]
  readonly accounts: Accounts
  /** model and node of every offer the account ever made */
  readonly offersOf: (accountId: AccountId) => Promise<readonly OfferOf[]>
}

/** most charged first */
const GROUPS_MAX = 50

export function createOperatorEarningsRoutes({ books, accounts, offersOf }: OperatorEarningsNeeds) {
  const sums = createOperatorSums(books)
  return new Hono<AppEnv>().get(
    '/operator/earnings',
    identified,
    queryString(RangeQuery.extend(FormatQuery.shape)),
    exported('earnings', OperatorEarningsReply, earningsTable),
    async (c) => {
      const { accountId } = await requireManager(c, accounts)
      const range = rangeOf(c.req.valid('query'))
      const own = await offersOf(accountId)
      const [points, nodes, models] = await Promise.all([
        sums.points(range, own),
        sums.groups(range, own, 'node', GROUPS_MAX),
        sums.groups(range, own, 'model', GROUPS_MAX),
      ])
      return c.json({
        ...toldRange(range),
        points: toldPoints(points, earned),
        nodes: toldGroups(nodes, earned),
        models: toldGroups(models, earned),
      } satisfies OperatorEarningsReply)
    },
  )
}

const earned = (sum: Sums) => ({ ...measures(sum), earned: usd(sum.operatorNanos) })

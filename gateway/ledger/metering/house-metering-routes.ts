// The house as a whole: `/api/status` for everybody, `/api/admin/metering` and `/api/admin/top` for admins. Read of sums, over all books.
import { Hono, type MiddlewareHandler } from 'hono'
import {
  MeteringQuery,
  MeteringReply,
  TopQuery,
  TopReply,
  type Revenue,
  type StatusReply,
} from '../../../protocol/metering.ts'
import type { Clock } from '../../core/clock.ts'
import { requireAdmin, type AppEnv } from '../../core/principal.ts'
import { queryString } from '../../core/validate.ts'
import { createChecksBook } from '../verification/checks-book.ts'
import { topAccounts } from './account-sums-book.ts'
import { exported, FormatQuery, meteringTable, topTable } from './exported.ts'
import { createHouseSums, latencyViews, type OverTime } from './house-sums-book.ts'
import { mergedCounts, NO_COUNTS, type Counts } from './latency.ts'
import { DAY_MS, HOUR_MS, rangeBefore, type Range } from './ranges.ts'
import { iso, measures, shares, totalOf, type Sums } from './sums.ts'
import { rangeOf, toldGroups, toldPoints, toldRange } from './told.ts'

export interface HouseMeteringNeeds {
  /** the registry */
  readonly db: D1Database
  readonly books: readonly D1Database[]
  readonly clock: Clock
  readonly marketSize: () => Promise<Pick<StatusReply, 'nodes' | 'models'>>
}

/** ms for which everybody is told the same: a page that anybody may open asks the books once a minute, however many open it */
const STATUS_MS = 60_000
const STATUS_DAYS = 90

export function createHouseMeteringRoutes({ db, books, clock, marketSize }: HouseMeteringNeeds) {
  const house = createHouseSums(books)
  const checks = createChecksBook(db)
  const admin: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireAdmin(c)
    await next()
  }

  async function readStatus(now: number): Promise<StatusReply> {
    const nextHour = Math.ceil(now / HOUR_MS) * HOUR_MS
    const nextDay = Math.ceil(now / DAY_MS) * DAY_MS
    const [days, latencies, size] = await Promise.all([
      house.points({ step: 'day', from: nextDay - STATUS_DAYS * DAY_MS, to: nextDay }),
      house.latencies({ step: 'hour', from: nextHour - DAY_MS, to: nextHour }),
      marketSize(),
    ])
    return {
      days: days.map(([at, { calls, errors }]) => ({
        at: iso(at),
        calls,
        share: calls === 0 ? null : (calls - errors) / calls,
      })),
      ...size,
      firstTokenMs: latencyViews(mergedCounts(latencies.values())).firstTokenMs,
    }
  }

  let known: { readonly at: number; readonly status: Promise<StatusReply> } | null = null
  function status(now: number): Promise<StatusReply> {
    if (known && now - known.at < STATUS_MS) return known.status
    const asked = { at: now, status: readStatus(now) }
    known = asked
    // A failure is told to who waited for it; the next one asks again.
    asked.status.catch(() => {
      if (known === asked) known = null
    })
    return asked.status
  }

  return new Hono<AppEnv>()
    .get('/status', async (c) =>
      c.json((await status(clock())) satisfies StatusReply, 200, { 'cache-control': 'public, max-age=60' }),
    )

    .get(
      '/admin/metering',
      admin,
      queryString(MeteringQuery.extend(FormatQuery.shape)),
      exported('metering', MeteringReply, meteringTable),
      async (c) => {
        const { model, node, ...asked } = c.req.valid('query')
        const range = rangeOf(asked)
        const before = rangeBefore(range)
        const [all, [lagging]] = await Promise.all([
          house.overTime({ ...range, from: before.from }, { model, node }),
          checks.lagging(1),
        ])
        const lagSince = lagging?.lagSince ?? null
        return c.json({
          ...toldRange(range),
          ...revenueOf(all, range),
          before: revenueOf(all, before),
          projectionLagMs: lagSince === null ? 0 : Math.max(0, clock() - lagSince),
        } satisfies MeteringReply)
      },
    )

    .get(
      '/admin/top',
      admin,
      queryString(TopQuery.extend(FormatQuery.shape)),
      exported('top', TopReply, topTable),
      async (c) => {
        const { by, limit, ...asked } = c.req.valid('query')
        const range = rangeOf(asked)
        const found = by === 'account' ? await topAccounts(books, range, limit) : await house.top(range, by, limit)
        return c.json({
          data: toldGroups(found, (sums) => ({ ...measures(sums), ...shares(sums) })),
        } satisfies TopReply)
      },
    )
}

/** What of it lies in the range. */
function revenueOf({ points, latencies }: OverTime, { from, to }: Range) {
  const own = points.filter(([at]) => at >= from && at < to)
  const counts = [...latencies].flatMap(([at, one]) => (at >= from && at < to ? [one] : []))
  return {
    total: revenue(totalOf(own.map(([, sums]) => sums)), mergedCounts(counts)),
    points: toldPoints(own, (sums, at) => revenue(sums, latencies.get(at) ?? NO_COUNTS)),
  }
}

const revenue = (sums: Sums, counts: Counts): Revenue => ({
  ...measures(sums),
  ...shares(sums),
  ...latencyViews(counts),
})

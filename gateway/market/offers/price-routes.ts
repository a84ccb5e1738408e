// `/api/nodes/{id}/offers/{model}/prices`: every price an offer ever had, newest first. Public, because whoever holds a journal line may
// compute its charge again: units × the prices of the line's version, rounded up once.
import { Hono, type Context } from 'hono'
import type { PriceVersionView } from '../../../protocol/node.ts'
import { instant, isModelId, isNodeId } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { PageQuery } from '../../core/page.ts'
import type { AppEnv } from '../../core/principal.ts'
import { queryString } from '../../core/validate.ts'
import { createPriceBook, type PriceRow } from './price-book.ts'
import { toPricesView } from './price-range.ts'
import { priceOf } from '../rows.ts'

interface PriceQuery {
  readonly cursor?: string | undefined
  readonly limit?: number | undefined
}

export function createPriceRoutes({ db }: { readonly db: D1Database }) {
  const book = createPriceBook(db)

  const prices = async (c: Context<AppEnv>, model: string, { cursor, limit = LIMITS.pageRows }: PriceQuery) => {
    const nodeId = c.req.param('id') ?? ''
    if (cursor !== undefined && !/^[1-9]\d{0,9}$/.test(cursor))
      throw new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
    const before = cursor === undefined ? null : Number(cursor)
    const found = isNodeId(nodeId) && isModelId(model) ? await book.history(nodeId, model, before, limit + 1) : []
    if (found.length === 0 && before === null) throw new GatewayError('not_found')
    const page = found.slice(0, limit)
    const last = page.at(-1)
    return c.json({
      data: page.map(priceView),
      nextCursor: found.length > limit && last ? String(last.version) : null,
    })
  }

  return (
    new Hono<AppEnv>()
      .get('/nodes/:id/offers/:author/:name/prices', queryString(PageQuery), (c) =>
        prices(c, `${c.req.param('author')}/${c.req.param('name')}`, c.req.valid('query')),
      )
      // Clients may escape the slash of a model id.
      .get('/nodes/:id/offers/:model/prices', queryString(PageQuery), (c) =>
        prices(c, c.req.param('model'), c.req.valid('query')),
      )
  )
}

function priceView(row: PriceRow): PriceVersionView {
  return {
    version: row.version,
    prices: toPricesView(priceOf(row)),
    from: new Date(instant(row.fromAt)).toISOString(),
  }
}

// `/api/statements`: an account reads its monthly statements, as JSON with the gateway's signature, or as CSV for a spreadsheet.
import { Hono } from 'hono'
import { z } from 'zod'
import { statementCsv } from '../../../protocol/statement-csv.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { PageQuery } from '../../core/page.ts'
import { identified, requireManager } from '../../core/management.ts'
import type { AppEnv } from '../../core/principal.ts'
import { queryString } from '../../core/validate.ts'
import type { Accounts } from '../account-port.ts'
import type { BookOf } from '../book/account-book.ts'
import { createStatementBook, type KeptStatement } from './statement-book.ts'

export interface StatementRouteNeeds {
  readonly bookOf: BookOf
  readonly accounts: Accounts
}

const FormatQuery = z.object({ format: z.enum(['json', 'csv']).default('json') })
const NUMBER = /^[1-9]\d{0,5}$/

export function createStatementRoutes({ bookOf, accounts }: StatementRouteNeeds) {
  return new Hono<AppEnv>()
    .get('/statements', identified, queryString(PageQuery), async (c) => {
      const { accountId } = await requireManager(c, accounts)
      const { cursor, limit = LIMITS.pageRows } = c.req.valid('query')
      if (cursor !== undefined && !NUMBER.test(cursor))
        throw new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
      const book = createStatementBook(await bookOf(accountId))
      const found = await book.list(accountId, cursor === undefined ? null : Number(cursor), limit + 1)
      const page = found.slice(0, limit)
      const last = page.at(-1)
      return c.json({
        data: page.map(summary),
        nextCursor: found.length > limit && last ? String(last.statement.number) : null,
      })
    })

    .get('/statements/:number', identified, queryString(FormatQuery), async (c) => {
      const { accountId } = await requireManager(c, accounts)
      const number = c.req.param('number')
      const found = NUMBER.test(number)
        ? await createStatementBook(await bookOf(accountId)).find(accountId, Number(number))
        : null
      if (!found) throw new GatewayError('not_found', { detail: 'There is no such statement.' })
      const { statement, signature } = found
      c.header('cache-control', 'no-store')
      if (c.req.valid('query').format === 'json') return c.json({ statement, signature })
      return c.body(statementCsv(statement), 200, {
        'content-type': 'text/csv; charset=utf-8',
        'content-disposition': `attachment; filename="statement-${statement.number}-${statement.month}.csv"`,
      })
    })
}

const summary = ({ statement, at }: KeptStatement) => ({
  number: statement.number,
  month: statement.month,
  opening: statement.opening.balance,
  closing: statement.closing.balance,
  lines: statement.lines,
  at: new Date(at).toISOString(),
})

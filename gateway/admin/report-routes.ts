// Reports: anybody signed in says that a model or a node is not as it should be, an admin decides. Taking a model down or stopping a node is an action of its
// own: a decision only says what was done.
import { Hono } from 'hono'
import type { z } from 'zod'
import {
  ReportDecision,
  ReportQuery,
  ReportRequest,
  ReportState,
  ReportView,
  type ReportPage,
} from '../../protocol/disputes.ts'
import { base32, type RandomBytes } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { COMPLAINTS, LIMITS } from '../core/limits.ts'
import { PageQuery } from '../core/page.ts'
import { requireAdmin, requireSession, type AppEnv } from '../core/principal.ts'
import { jsonBody, queryString } from '../core/validate.ts'
import { admin, freshAdmin, signedIn } from './who.ts'
import { pageOf, readTimedCursor, timedCursor } from './pages.ts'
import { createReportBook, type ReportRow } from './report-book.ts'

export interface ReportRouteNeeds {
  /** the registry */
  readonly db: D1Database
  readonly clock: Clock
  readonly random: RandomBytes
}

/** Mounted at /api. */
export function createReportRoutes({ db, clock, random }: ReportRouteNeeds) {
  const book = createReportBook(db)
  const found = async (id: string): Promise<ReportRow> => {
    const report = await book.find(id)
    if (!report) throw new GatewayError('not_found', { detail: 'There is no such report.' })
    return report
  }

  return new Hono<AppEnv>()
    .post('/reports', signedIn, jsonBody(ReportRequest), async (c) => {
      const { about, id: subject, kind, words } = c.req.valid('json')
      const { accountId: reporter } = requireSession(c)
      if (!(await book.isThere(about, subject)))
        throw new GatewayError(about === 'model' ? 'model_not_found' : 'not_found', { param: 'id' })
      const id = `report_${base32(random(10))}`
      if (!(await book.add({ id, about, subject, kind, words, reporter, createdAt: clock() })))
        throw new GatewayError('rate_limited', { detail: `At most ${COMPLAINTS.reportsPerDay} reports a day.` })
      return c.json(viewOf(await found(id)), 201)
    })

    .get('/admin/reports', admin, queryString(PageQuery.extend(ReportQuery.shape)), async (c) => {
      const { cursor, limit = LIMITS.pageRows, state } = c.req.valid('query')
      const rows = await book.page(state, readTimedCursor(cursor), limit + 1)
      return c.json(pageOf(rows, limit, viewOf, timedCursor) satisfies z.infer<typeof ReportPage>)
    })

    .post('/admin/reports/:id/decide', freshAdmin(clock), jsonBody(ReportDecision), async (c) => {
      const { id } = await found(c.req.param('id'))
      const { decision, answer, version } = c.req.valid('json')
      const decided = { state: decision, answer, by: requireAdmin(c).address, at: clock() }
      if (!(await book.decide(id, version, decided))) throw new GatewayError('changed_meanwhile')
      return c.json(viewOf(await found(id)))
    })
}

const viewOf = (row: ReportRow): ReportView => ({
  id: row.id,
  about: ReportView.shape.about.parse(row.about),
  subject: row.subject,
  kind: ReportRequest.shape.kind.parse(row.kind),
  words: row.words,
  reporter: row.reporter,
  state: ReportState.parse(row.state),
  answer: row.answer,
  createdAt: new Date(row.createdAt).toISOString(),
  decidedAt: row.decidedAt === null ? null : new Date(row.decidedAt).toISOString(),
  version: row.version,
})

// `/api/admin/log`: the chain of what admins did, newest first, and a check of all of it by the gateway itself. Whoever doubts the gateway checks the pages
// with the same function (protocol/admin-log.ts) and its published keys.
import { Hono } from 'hono'
import type { z } from 'zod'
import { ADMIN_LOG_START, verifyAdminLog } from '../../protocol/admin-log.ts'
import type { AdminLogCheck, AdminLogPage } from '../../protocol/parameters.ts'
import type { GatewayKey } from '../core/gateway-key.ts'
import { LIMITS } from '../core/limits.ts'
import { PageQuery } from '../core/page.ts'
import type { AppEnv } from '../core/principal.ts'
import { queryString } from '../core/validate.ts'
import { admin } from './who.ts'
import { createLogBook, type LogBook } from './log-book.ts'
import { pageOf, readNumberCursor } from './pages.ts'

export interface LogRouteNeeds {
  /** the registry */
  readonly db: D1Database
  readonly key: Pick<GatewayKey, 'jwks'>
}

/** entries read at a time */
const CHECK_ROWS = 500

/** Mounted at /api. */
export function createLogRoutes({ db, key }: LogRouteNeeds) {
  const book = createLogBook(db)
  return new Hono<AppEnv>()
    .get('/admin/log', admin, queryString(PageQuery), async (c) => {
      const { cursor, limit = LIMITS.pageRows } = c.req.valid('query')
      const rows = await book.page(readNumberCursor(cursor), limit + 1)
      const page = pageOf(
        rows,
        limit,
        (entry) => entry,
        ({ seq }) => String(seq),
      )
      return c.json(page satisfies z.infer<typeof AdminLogPage>)
    })
    .get('/admin/log/check', admin, async (c) => c.json(await checkAll(book, key.jwks.keys)))
}

async function checkAll(book: LogBook, keys: GatewayKey['jwks']['keys']): Promise<AdminLogCheck> {
  const head = await book.head()
  let [seq, hash] = [0, ADMIN_LOG_START]
  // Rows that are gone leave fewer than the newest number says, so this ends.
  while (head && seq < head.seq) {
    const entries = await book.after(seq, head.seq, CHECK_ROWS)
    const [first] = entries
    const last = entries.at(-1)
    if (!first || !last || first.seq !== seq + 1)
      return { ok: false, entries: seq, head, wrong: { seq: seq + 1, what: 'gap' } }
    const verdict = await verifyAdminLog(entries, hash, keys)
    if (!verdict.ok)
      return { ok: false, entries: verdict.seq - 1, head, wrong: { seq: verdict.seq, what: verdict.what } }
    ;[seq, hash] = [last.seq, last.hash]
  }
  return { ok: true, entries: seq, head, wrong: null }
}

// `/api/journal`: an account reads its own journal. As pages, newest first, from the book; as one file from the first line to the last (NDJSON),
// from its guard, for `souk-verify`; and the head, signed, to be kept beside an earlier copy.
import { Hono } from 'hono'
import { z } from 'zod'
import { JOURNAL_MEDIA_TYPE } from '../../../protocol/journal-export.ts'
import { isCallId, type AccountId } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { PageQuery } from '../../core/page.ts'
import { identified, requireManager } from '../../core/management.ts'
import type { AppEnv } from '../../core/principal.ts'
import { queryString } from '../../core/validate.ts'
import type { BookOf } from '../book/account-book.ts'
import { createBookPages } from '../book/book-pages.ts'
import { exportJournal, signedHead, type JournalNeeds } from './journal-export.ts'

export interface JournalRouteNeeds extends JournalNeeds {
  readonly bookOf: BookOf
}

const JournalQuery = PageQuery.extend({
  format: z.enum(['json', 'ndjson']).optional(),
  /** json only: the lines of this call alone, its own and a late receipt's */
  call: z.string().refine(isCallId, 'a call id').optional(),
  /** ndjson only: begin with the line after this one */
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'a whole number')
    .transform(Number)
    .optional(),
})

export function createJournalRoutes(needs: JournalRouteNeeds) {
  const pages = createBookPages(needs.bookOf)
  return new Hono<AppEnv>()
    .get('/journal/head', identified, async (c) => {
      const { accountId } = await requireManager(c, needs.accounts)
      c.header('cache-control', 'no-store')
      return c.json(await signedHead(needs, accountId))
    })

    .get('/journal', identified, queryString(JournalQuery), async (c) => {
      const { accountId } = await requireManager(c, needs.accounts)
      const { cursor, limit, format, call, after } = c.req.valid('query')
      const isFile = (format ?? formatOf(c.req.header('accept'))) === 'ndjson'
      if (isFile) return journalFile(needs, accountId, after ?? 0)
      if (call !== undefined) return c.json(await pages.linesOfCall(accountId, call))
      const page = await pages.journal(accountId, cursor ?? null, limit ?? LIMITS.pageRows)
      if (!page) throw new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
      return c.json(page)
    })
}

const formatOf = (accept: string | undefined) => (accept?.includes(JOURNAL_MEDIA_TYPE) ? 'ndjson' : 'json')

async function journalFile(needs: JournalNeeds, accountId: AccountId, after: number) {
  const stream = await exportJournal(needs, accountId, after)
  if (!stream) throw new GatewayError('invalid_request', { param: 'after', detail: 'after: a line of this journal' })
  return new Response(stream, {
    headers: {
      'content-type': JOURNAL_MEDIA_TYPE,
      'content-disposition': `attachment; filename="journal-${accountId}.ndjson"`,
      'cache-control': 'no-store',
    },
  })
}

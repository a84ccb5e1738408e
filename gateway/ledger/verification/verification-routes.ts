// `/api/admin`, the ledger's health: how far behind the books are, what verification found, and the two remedies, a book written again and a
// finding that a person has looked into. Remedies ask for a fresh sign-in.
import { Hono, type MiddlewareHandler } from 'hono'
import { z } from 'zod'
import {
  RebuildBody,
  ResolveBody,
  type AccountStandView,
  type AlertView,
  type LedgerStand,
  type RebuildReply,
  type ResolveReply,
} from '../../../protocol/verification.ts'
import { nanos, toUsd, type AccountId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { PageQuery } from '../../core/page.ts'
import { requireAdmin, type AppEnv } from '../../core/principal.ts'
import { jsonBody, queryString } from '../../core/validate.ts'
import { createAlertBook, type AlertRow } from './alert-book.ts'
import { createChecksBook } from './checks-book.ts'
import { LEDGER } from '../limits/limits.ts'
import { rebuildAccount, rebuildNext, registeredAccount, type RebuildNeeds } from '../book/rebuild.ts'

export interface VerificationRouteNeeds extends RebuildNeeds {
  readonly clock: Clock
}

const AlertQuery = PageQuery.extend({ state: z.enum(['open', 'all']).default('open') })

export function createVerificationRoutes(needs: VerificationRouteNeeds) {
  const { db, accounts, clock } = needs
  const alerts = createAlertBook(db)
  const checks = createChecksBook(db)
  const admin: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireAdmin(c)
    await next()
  }
  const freshAdmin: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireAdmin(c, clock())
    await next()
  }

  return new Hono<AppEnv>()
    .get('/admin/ledger', admin, async (c) => {
      const [totals, lagging, alertsOpen] = await Promise.all([
        checks.totals(),
        checks.lagging(LEDGER.laggingShown),
        alerts.countOpen(),
      ])
      return c.json(standView(totals, lagging, alertsOpen))
    })
    .get('/admin/ledger/:account', admin, async (c) => {
      const account = await registeredAccount(db, c.req.param('account'))
      if (!account) throw new GatewayError('not_found')
      return c.json(accountView(account.id, await accounts(account.id).selfCheck('last')))
    })
    .post('/admin/ledger/rebuild', freshAdmin, jsonBody(RebuildBody), async (c) => {
      const { accountId, cursor, wipe } = c.req.valid('json')
      if (accountId === undefined)
        return c.json((await rebuildNext(needs, cursor ?? null, wipe)) satisfies RebuildReply)
      const account = await registeredAccount(db, accountId)
      if (!account) throw new GatewayError('not_found', { param: 'accountId', detail: 'There is no such account.' })
      await rebuildAccount(needs, account, wipe)
      return c.json({ accounts: 1, nextCursor: null } satisfies RebuildReply)
    })
    .get('/admin/alerts', admin, queryString(AlertQuery), async (c) => {
      const { state, cursor, limit } = c.req.valid('query')
      const found = await alerts.page(state, cursor ?? null, limit ?? LIMITS.pageRows)
      if (!found) throw new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
      return c.json({ data: found.data.map(alertView), nextCursor: found.nextCursor })
    })
    .post('/admin/alerts/:id/resolve', freshAdmin, jsonBody(ResolveBody), async (c) => {
      const by = requireAdmin(c).accountId
      const before = await alerts.find(c.req.param('id'))
      if (!before) throw new GatewayError('not_found')
      const { othersOpen } = await alerts.resolve(before.id, by, c.req.valid('json').reason, clock())
      const row = (await alerts.find(before.id)) ?? before
      const unfrozen = !othersOpen && (await unfreeze(row, by))
      return c.json({ ...alertView(row), unfrozen } satisfies ResolveReply)
    })

  /** Only what verification froze: an admin's own freeze, or a chargeback's, is another matter. */
  async function unfreeze({ subject, resolution }: AlertRow, by: AccountId): Promise<boolean> {
    const account = await registeredAccount(db, subject)
    if (!account) return false
    const frozen = await accounts(account.id).frozen()
    if (frozen?.cause !== 'verification') return false
    return (await accounts(account.id).unfreeze(resolution ?? '', by, 'verification')).ok
  }
}

type Checks = ReturnType<typeof createChecksBook>

function standView(
  totals: Awaited<ReturnType<Checks['totals']>>,
  lagging: Awaited<ReturnType<Checks['lagging']>>,
  alertsOpen: number,
): LedgerStand {
  return {
    accountsChecked: totals.accounts,
    checkedAt: isoOrNull(totals.checkedAt),
    linesNotProjected: Number(totals.unprojected),
    oldestNotProjectedAt: isoOrNull(totals.lagSince),
    creditsUnderWay: toUsd(nanos(BigInt(totals.underWayNanos))),
    oldestUnderWayAt: isoOrNull(totals.underWaySince),
    alertsOpen,
    behind: lagging.flatMap(({ accountId, seq, bookSeq, lagSince }) =>
      lagSince === null ? [] : [{ accountId, lines: seq - bookSeq, since: new Date(lagSince).toISOString() }],
    ),
  }
}

function accountView(
  accountId: AccountId,
  check: Awaited<ReturnType<ReturnType<RebuildNeeds['accounts']>['selfCheck']>>,
): AccountStandView {
  const { head, frozen } = check
  return {
    accountId,
    seq: head.seq,
    hash: head.hash,
    balance: toUsd(head.balanceNanos),
    book: check.book,
    linesNotProjected: check.lag,
    oldestNotProjectedAt: isoOrNull(check.lagSince),
    creditsUnderWay: toUsd(check.underWayNanos),
    oldestUnderWayAt: isoOrNull(check.underWaySince),
    checkedSeq: check.checkedSeq,
    breaches: [...check.breaches],
    frozen: frozen && { cause: frozen.cause, reason: frozen.reason, at: new Date(frozen.at).toISOString() },
  }
}

const alertView = (row: AlertRow): AlertView => ({
  id: row.id,
  kind: row.kind,
  subject: row.subject,
  detail: row.detail,
  at: new Date(row.at).toISOString(),
  resolvedAt: isoOrNull(row.resolvedAt),
  resolvedBy: row.resolvedBy,
  resolution: row.resolution,
})

const isoOrNull = (at: number | null | undefined): string | null =>
  at === null || at === undefined ? null : new Date(at).toISOString()

// Disputes: a payer says that a call was wrong, an admin decides. A call that is not the payer's own and one that is not there are refused alike.
import { Hono } from 'hono'
import type { z } from 'zod'
import {
  DisputeDecision,
  DisputeQuery,
  DisputeRequest,
  DisputeState,
  DisputeWithdrawal,
  OwnDisputeQuery,
  type DisputePage,
  type DisputeView,
  type OwnDisputePage,
} from '../../protocol/disputes.ts'
import {
  base32,
  fromSqlInteger,
  isCallId,
  nanos,
  toSqlInteger,
  toUsd,
  type AccountId,
  type CallId,
  type Instant,
  type Nanos,
  type RandomBytes,
} from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { COMPLAINTS, LIMITS } from '../core/limits.ts'
import { identified, managing, requireManager, type KeyInspector } from '../core/management.ts'
import { PageQuery } from '../core/page.ts'
import type { Parameters } from '../core/parameters.ts'
import { requireAdmin, type AppEnv } from '../core/principal.ts'
import { jsonBody, queryString } from '../core/validate.ts'
import { createDisputeBook, type DisputeRow } from './dispute-book.ts'
import { decide, type RefundOf } from './dispute-decision.ts'
import { admin, freshAdmin } from './who.ts'
import { pageOf, readTimedCursor, timedCursor } from './pages.ts'

/** What is asked of an ended call. */
export interface DisputableCall {
  readonly chargeNanos: Nanos
  readonly modelId: string
  readonly nodeId: string | null
  readonly endedAt: Instant
}

export interface DisputeRouteNeeds {
  /** the registry */
  readonly db: D1Database
  readonly clock: Clock
  readonly random: RandomBytes
  readonly parameters: Pick<Parameters, 'now'>
  readonly accounts: (accountId: AccountId) => KeyInspector
  /** null: this account made no such call, or it has not ended */
  readonly callOf: (accountId: AccountId, callId: CallId) => Promise<DisputableCall | null>
  readonly refundOf: RefundOf
}

const DAY_MS = 86_400_000

/** Mounted at /api. */
export function createDisputeRoutes(needs: DisputeRouteNeeds) {
  const { db, clock, random, parameters, accounts, callOf, refundOf } = needs
  const book = createDisputeBook(db)

  const found = async (id: string): Promise<DisputeRow> => {
    const dispute = await book.find(id)
    if (!dispute) throw new GatewayError('not_found', { detail: 'There is no such dispute.' })
    return dispute
  }
  const own = async (id: string, accountId: AccountId): Promise<DisputeRow> => {
    const dispute = await book.find(id)
    if (dispute?.accountId !== accountId) throw new GatewayError('not_found', { detail: 'There is no such dispute.' })
    return dispute
  }
  /** @throws GatewayError call_not_found, dispute_closed, conflict */
  const disputable = async (accountId: AccountId, callId: string, days: number): Promise<DisputableCall> => {
    const call = isCallId(callId) ? await callOf(accountId, callId) : null
    if (!call) throw new GatewayError('call_not_found', { param: 'callId' })
    if (call.chargeNanos <= 0n)
      throw new GatewayError('dispute_closed', { param: 'callId', detail: 'It cost nothing.' })
    if (clock() - call.endedAt > days * DAY_MS)
      throw new GatewayError('dispute_closed', {
        param: 'callId',
        detail: `It ended more than ${days === 1 ? 'a day' : `${days} days`} ago.`,
      })
    return call
  }

  return new Hono<AppEnv>()
    .post('/disputes', managing(accounts), jsonBody(DisputeRequest), async (c) => {
      const { accountId } = await requireManager(c, accounts)
      const { callId, kind, words } = c.req.valid('json')
      const { disputeDays } = await parameters.now((work) => c.executionCtx.waitUntil(work))
      const call = await disputable(accountId, callId, disputeDays)
      const now = clock()
      if ((await book.madeSince(accountId, now)) >= COMPLAINTS.disputesPerDay)
        throw new GatewayError('rate_limited', { detail: `At most ${COMPLAINTS.disputesPerDay} disputes a day.` })
      const { modelId, nodeId } = call
      const said = { id: `dispute_${base32(random(10))}`, callId, accountId, kind, words, modelId, nodeId }
      const row = { ...said, state: 'open', costNanos: toSqlInteger(call.chargeNanos), createdAt: now }
      if (!(await book.add(row)))
        throw new GatewayError('dispute_closed', { param: 'callId', detail: 'It was disputed before.' })
      return c.json(viewOf(await found(row.id)), 201)
    })

    .get('/disputes', identified, queryString(PageQuery.extend(OwnDisputeQuery.shape)), async (c) => {
      const { cursor, limit = LIMITS.pageRows, call } = c.req.valid('query')
      const { accountId } = await requireManager(c, accounts)
      const rows = await book.page({ accountId, callId: call }, readTimedCursor(cursor), limit + 1)
      const { disputeDays: days } = await parameters.now((work) => c.executionCtx.waitUntil(work))
      return c.json({ ...pageOf(rows, limit, viewOf, timedCursor), days } satisfies z.infer<typeof OwnDisputePage>)
    })

    .post('/disputes/:id/withdraw', managing(accounts), jsonBody(DisputeWithdrawal), async (c) => {
      const { accountId } = await requireManager(c, accounts)
      const { id } = await own(c.req.param('id'), accountId)
      if (!(await book.withdraw(id, c.req.valid('json').version, clock()))) throw new GatewayError('changed_meanwhile')
      return c.json(viewOf(await found(id)))
    })

    .get('/admin/disputes', admin, queryString(PageQuery.extend(DisputeQuery.shape)), async (c) => {
      const { cursor, limit = LIMITS.pageRows, state } = c.req.valid('query')
      const rows = await book.page({ state }, readTimedCursor(cursor), limit + 1)
      return c.json(pageOf(rows, limit, viewOf, timedCursor) satisfies z.infer<typeof DisputePage>)
    })

    .get('/admin/disputes/:id', admin, async (c) => c.json(viewOf(await found(c.req.param('id')))))

    .post('/admin/disputes/:id/decide', freshAdmin(clock), jsonBody(DisputeDecision), async (c) => {
      const dispute = await found(c.req.param('id'))
      const { address, accountId } = requireAdmin(c)
      await decide({ book, refund: refundOf }, dispute, c.req.valid('json'), { address, accountId, now: clock() })
      return c.json(viewOf(await found(dispute.id)))
    })
}

const viewOf = (row: DisputeRow): DisputeView => ({
  id: row.id,
  callId: row.callId,
  accountId: row.accountId,
  kind: DisputeRequest.shape.kind.parse(row.kind),
  words: row.words,
  state: DisputeState.parse(row.state),
  cost: toUsd(nanos(fromSqlInteger(row.costNanos))),
  refunded: row.refundedNanos === null ? null : toUsd(nanos(fromSqlInteger(row.refundedNanos))),
  model: row.modelId,
  node: row.nodeId,
  answer: row.answer,
  createdAt: new Date(row.createdAt).toISOString(),
  decidedAt: row.decidedAt === null ? null : new Date(row.decidedAt).toISOString(),
  version: row.version,
})

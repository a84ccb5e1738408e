// `/api`: money out. An account asks for its earnings; admins make pay-out files of what was asked for, say that they were paid, or give back what
// could not be. Everything that moves or releases money asks for a fresh sign-in, and may be repeated.
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { z } from 'zod'
import {
  PaidBody,
  ReturnBody,
  WithdrawalBody,
  WithdrawalState,
  type PaidReply,
  type Withdrawal as WithdrawalView,
} from '../../../protocol/money.ts'
import { fromUsd, toUsd, type AccountId, type RandomBytes } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { assert, GatewayError } from '../../core/errors.ts'
import type { Place } from '../../core/keyset.ts'
import { LIMITS, SIGN_IN } from '../../core/limits.ts'
import { PageQuery } from '../../core/page.ts'
import { requireAdmin, requireSession, type AppEnv, type SessionPrincipal } from '../../core/principal.ts'
import { refusal } from '../../core/refusal.ts'
import { jsonBody, queryString } from '../../core/validate.ts'
import type { Accounts } from '../account-port.ts'
import { idempotent } from '../idempotency/idempotent-posts.ts'
import { LEDGER } from '../limits/limits.ts'
import { createPayoutAddressBook } from './payout-address-book.ts'
import { payoutCsv, payoutFile, payoutJson, sumOf } from './payout-file.ts'
import { makePayout, returnOne } from './payout-flow.ts'
import { createWithdrawalBook, type Withdrawal } from './withdrawal-book.ts'

export interface WithdrawalRouteNeeds {
  /** the registry */
  readonly db: D1Database
  readonly books: readonly D1Database[]
  readonly accounts: Accounts
  readonly clock: Clock
  readonly random: RandomBytes
}

const AdminQuery = PageQuery.extend({ state: WithdrawalState.optional() })
const FileQuery = z.object({ format: z.enum(['json', 'csv']).default('json') })

export function createWithdrawalRoutes({ db, ...needs }: WithdrawalRouteNeeds) {
  const { accounts, clock } = needs
  const book = createWithdrawalBook(db)
  const desk = { ...needs, book }
  const payoutAddresses = createPayoutAddressBook(db, clock)
  const once = idempotent(needs)

  /** Who is asking is settled before a body is read. */
  const fresh: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireFresh(c)
    await next()
  }
  const freshAdmin: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireAdmin(c, clock())
    await next()
  }
  const requireFresh = (c: Context<AppEnv>): SessionPrincipal => {
    const principal = requireSession(c)
    if (clock() - principal.signedInAt > SIGN_IN.freshMs) throw new GatewayError('fresh_sign_in_required')
    return principal
  }

  const request = async (accountId: AccountId, wallet: string, body: WithdrawalBody): Promise<WithdrawalView> => {
    const amountNanos = fromUsd(body.usd)
    if (amountNanos < LEDGER.withdrawMinNanos || amountNanos > LEDGER.withdrawMaxNanos)
      throw new GatewayError('invalid_request', { param: 'usd', detail: 'usd: from 0.01 to 100000' })
    const transferId = `withdrawal:${body.id}`
    const address = await addressFor(accountId, `${accountId}:${transferId}`, wallet, body.address)
    const withdrawn = await accounts(accountId).withdraw({ transferId, amountNanos, address })
    if (!withdrawn.ok) throw refusal(withdrawn)
    // Lost when the gateway dies here: the same request again writes it, and so does the next pay-out file.
    await book.add([{ accountId, transferId, amountNanos, address, requestedAt: clock() }])
    const row = await book.find(`${accountId}:${transferId}`)
    assert(row, 'the withdrawal was just written')
    return view(row)
  }

  /** The pay-out address, where there is one, and nothing else: a stolen session then cannot lead money elsewhere. */
  const addressFor = async (accountId: AccountId, id: string, wallet: string, named: string | undefined) => {
    const [earlier, { address }] = await Promise.all([book.find(id), payoutAddresses.view(accountId)])
    const isNamed = (other: string) => named === undefined || named.toLowerCase() === other.toLowerCase()
    // The same request again goes where it went, whatever holds by now.
    if (earlier && isNamed(earlier.address)) return earlier.address
    if (address !== null && isNamed(address)) return address
    if (address !== null)
      throw new GatewayError('invalid_request', {
        param: 'address',
        detail: `address: this account’s money goes to its pay-out address ${address} only`,
      })
    const own = await book.walletOf(accountId, named ?? wallet)
    if (own !== null && (own.joinedAt === null || own.joinedAt + LEDGER.payoutAddressDelayMs <= clock()))
      return own.address
    if (own !== null)
      throw new GatewayError('invalid_request', {
        param: 'address',
        detail:
          'address: this wallet joined the account less than two days ago; take one that was there before, or wait',
      })
    throw new GatewayError('invalid_request', { param: 'address', detail: 'address: one of your own wallets' })
  }

  const rowsOf = async (batchId: string): Promise<Withdrawal[]> => {
    const rows = await book.batch(batchId)
    if (rows.length === 0) throw new GatewayError('not_found', { detail: 'There is no such pay-out file.' })
    return rows
  }

  return new Hono<AppEnv>()
    .post('/withdrawals', fresh, jsonBody(WithdrawalBody), once, async (c) => {
      const { accountId, address } = requireFresh(c)
      const body = c.req.valid('json')
      return c.json(await request(accountId, address, body), 201)
    })

    .get('/withdrawals', signedIn, queryString(PageQuery), async (c) => {
      const { accountId } = requireSession(c)
      const { cursor, limit = LIMITS.pageRows } = c.req.valid('query')
      const [found, money] = await Promise.all([
        book.page({ accountId }, placeOf(cursor), limit + 1),
        accounts(accountId).money(),
      ])
      const withdrawable = money?.withdrawableNanos ?? sumOf([])
      return c.json({ ...pageOf(found, limit), withdrawable: toUsd(withdrawable) })
    })

    .get('/admin/withdrawals', adminOnly, queryString(AdminQuery), async (c) => {
      const { cursor, limit = LIMITS.pageRows, state } = c.req.valid('query')
      return c.json(pageOf(await book.page({ state }, placeOf(cursor), limit + 1), limit))
    })

    .post('/admin/withdrawals/:id/return', freshAdmin, jsonBody(ReturnBody), once, async (c) => {
      const { reason } = c.req.valid('json')
      return c.json(view(await returnOne(desk, c.req.param('id'), reason, requireAdmin(c).accountId)))
    })

    .post('/admin/payouts', freshAdmin, once, async (c) => c.json(await makePayout(desk)))

    .get('/admin/payouts/:batch', adminOnly, queryString(FileQuery), async (c) => {
      const { format } = c.req.valid('query')
      const batchId = c.req.param('batch')
      const file = payoutFile(batchId, (await rowsOf(batchId)).filter(isPayable))
      c.header('cache-control', 'no-store')
      // From our own rows: a batch's id has no quotes.
      c.header('content-disposition', `attachment; filename="${file.batchId}.${format}"`)
      c.header('content-type', format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json')
      return c.body(format === 'csv' ? payoutCsv(file) : payoutJson(file))
    })

    .post('/admin/payouts/:batch/paid', freshAdmin, jsonBody(PaidBody), once, async (c) => {
      const { reference } = c.req.valid('json')
      const batchId = c.req.param('batch')
      await book.markPaid(batchId, reference, clock())
      const paid = (await rowsOf(batchId)).filter(({ state }) => state === 'paid')
      if (paid.some((row) => row.reference !== reference))
        throw new GatewayError('conflict', { detail: 'This file was paid under another reference.' })
      if (paid.length === 0) throw new GatewayError('conflict', { detail: 'Everything in this file was returned.' })
      return c.json({ batchId, reference, paid: paid.length, usd: toUsd(sumOf(paid)) } satisfies PaidReply)
    })
}

const signedIn: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c)
  await next()
}
const adminOnly: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireAdmin(c)
  await next()
}

/** What went back has its money again: a file that still said so would pay it twice. */
const isPayable = ({ state }: Withdrawal): boolean => state !== 'returning' && state !== 'returned'

/** Cursor: `<requestedAt>.<id>` of the last row. */
function placeOf(cursor: string | undefined): Place | null {
  if (cursor === undefined) return null
  const match = /^(\d{1,15})\.(.+)$/.exec(cursor)
  if (!match) throw new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
  return { at: Number(match[1]), id: match[2] ?? '' }
}

function pageOf(found: readonly Withdrawal[], rows: number) {
  const page = found.slice(0, rows)
  const last = found.length > rows ? page.at(-1) : undefined
  return { data: page.map(view), nextCursor: last ? `${last.requestedAt}.${last.id}` : null }
}

const view = ({ amountNanos, transferId: _, requestedAt, endedAt, ...row }: Withdrawal): WithdrawalView => ({
  ...row,
  usd: toUsd(amountNanos),
  requestedAt: new Date(requestedAt).toISOString(),
  endedAt: endedAt === null ? null : new Date(endedAt).toISOString(),
})

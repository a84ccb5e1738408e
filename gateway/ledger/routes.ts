// `/api`, the money part: admins grant and make codes, accounts redeem them, and read their own calls and journal. Money moves only through
// the account's guard, by a transfer with an id; what is read here comes from the book and may be some hundred milliseconds behind.
import { Hono, type MiddlewareHandler } from 'hono'
import {
  CodeBody,
  GrantBody,
  RedeemBody,
  UsageFilter,
  type CodeReply,
  type GrantReply,
  type TopUpView,
} from '../../protocol/ledger.ts'
import { fromUsd, instant, isAccountId, nanos, toUsd, type AccountId, type RandomBytes } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import type { Config } from '../core/env.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { identified, requireManager } from '../core/management.ts'
import { PageQuery } from '../core/page.ts'
import { requireAdmin, requireSession, type AppEnv } from '../core/principal.ts'
import { refusal } from '../core/refusal.ts'
import { jsonBody, queryString } from '../core/validate.ts'
import type { Accounts } from './account-port.ts'
import type { GrantRequest } from './transfer-port.ts'
import { createBookPages, type Page } from './book/book-pages.ts'
import { createAccountBook, type BookOf } from './book/account-book.ts'
import { createCreditCodes } from './payments/credit-codes.ts'
import { idempotent } from './idempotency/idempotent-posts.ts'
import { LEDGER } from './limits/limits.ts'

export interface LedgerRouteNeeds {
  /** the registry */
  readonly db: D1Database
  readonly bookOf: BookOf
  readonly accounts: Accounts
  readonly clock: Clock
  readonly random: RandomBytes
  /** the faucet exists only under the local switch */
  readonly config: Pick<Config, 'isLocal' | 'stripe'>
}

export function createLedgerRoutes({ db, bookOf, accounts, clock, random, config }: LedgerRouteNeeds) {
  const registered = createAccountBook(db)
  const codes = createCreditCodes(db, random)
  const pages = createBookPages(bookOf)
  const once = idempotent({ accounts, random })

  /** Who is asking is settled before a body is read. */
  const freshAdmin: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireAdmin(c, clock())
    await next()
  }

  const give = async (accountId: AccountId, request: GrantRequest): Promise<GrantReply> => {
    const guard = accounts(accountId)
    // Harmless when it is open; repairs an account whose sign-in was cut off before its guard heard of it.
    await guard.open(accountId, await registered.bookIndex(accountId))
    const given = await guard.grant(request)
    if (!given.ok) throw refusal(given)
    const { availableNanos, heldNanos } = given.balance
    return { usd: toUsd(request.amountNanos), balance: toUsd(availableNanos), held: toUsd(heldNanos), seq: given.seq }
  }

  return new Hono<AppEnv>()
    .post('/admin/grants', freshAdmin, jsonBody(GrantBody), once, async (c) => {
      const { accountId, usd, reason, id } = c.req.valid('json')
      if (!isAccountId(accountId) || !(await registered.exists(accountId)))
        throw new GatewayError('not_found', { param: 'accountId', detail: 'There is no such account.' })
      const amountNanos = fromUsd(usd)
      const by = requireAdmin(c).accountId
      const request = { transferId: `grant:${id}`, kind: 'grant', amountNanos, reason, by } as const
      return c.json(await give(accountId, request))
    })

    .post('/admin/codes', freshAdmin, jsonBody(CodeBody), once, async (c) => {
      const { usd, reason, expiresAt } = c.req.valid('json')
      const now = clock()
      const end = expiresAt === undefined ? instant(now + LEDGER.codeMs) : instant(Date.parse(expiresAt))
      if (end <= now)
        throw new GatewayError('invalid_request', { param: 'expiresAt', detail: 'expiresAt: a time to come' })
      const amountNanos = fromUsd(usd)
      const createdBy = requireAdmin(c).accountId
      const code = await codes.make({ amountNanos, reason, createdBy, createdAt: now, expiresAt: end })
      c.header('cache-control', 'no-store')
      return c.json({ code, usd: toUsd(amountNanos), expiresAt: new Date(end).toISOString() } satisfies CodeReply, 201)
    })

    .post('/codes/redeem', signedIn, jsonBody(RedeemBody), once, async (c) => {
      const { accountId } = requireSession(c)
      const claimed = await codes.claim(c.req.valid('json').code, accountId, clock())
      if (!claimed.ok)
        throw new GatewayError(claimed.code, claimed.detail === undefined ? {} : { detail: claimed.detail })
      const { codeHash, amountNanos, reason } = claimed.value
      const request = { transferId: `code:${codeHash}`, kind: 'code', amountNanos, reason, by: null } as const
      return c.json(await give(accountId, request))
    })

    .post('/faucet', once, async (c) => {
      if (!config.isLocal) throw new GatewayError('not_found')
      const { accountId } = requireSession(c)
      const day = new Date(clock()).toISOString().slice(0, 10)
      const reason = `local faucet, ${day}`
      const amountNanos = nanos(LEDGER.faucetNanos)
      const request = { transferId: `faucet:${day}`, kind: 'faucet', amountNanos, reason, by: null } as const
      return c.json(await give(accountId, request))
    })

    .get('/top-up', (c) => {
      const { accountId } = requireSession(c)
      const link = config.stripe?.paymentLink ?? null
      const view: TopUpView = {
        paymentLink: link && paymentLinkFor(link, accountId),
        faucet: config.isLocal ? toUsd(nanos(LEDGER.faucetNanos)) : null,
      }
      return c.json(view)
    })

    .get('/usage', identified, queryString(PageQuery.extend(UsageFilter.shape)), async (c) => {
      const { cursor, limit, ...filter } = c.req.valid('query')
      const { accountId } = await requireManager(c, accounts)
      return c.json(known(await pages.usage(accountId, cursor ?? null, limit ?? LIMITS.pageRows, filter)))
    })
}

const signedIn: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c)
  await next()
}

/** Stripe gives the reference back with the payment, so that it is this account's. */
function paymentLinkFor(link: string, accountId: AccountId): string {
  const url = new URL(link)
  url.searchParams.set('client_reference_id', accountId)
  return url.href
}

function known<T>(page: Page<T> | null): Page<T> {
  if (!page) throw new GatewayError('invalid_request', { param: 'cursor', detail: 'cursor: what a list gave' })
  return page
}

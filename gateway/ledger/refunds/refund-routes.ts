// `/api/admin`: refunds of calls, and what an account's money consists of. Admins only; what moves money asks for a fresh sign-in.
import { Hono, type MiddlewareHandler } from 'hono'
import { RefundBody, RefundReply, type AccountMoneyReply, type KeyLimitsView } from '../../../protocol/money.ts'
import { fromUsd, isAccountId, isHouse, toUsd, type AccountId, type RandomBytes } from '../../../protocol/units.ts'
import type { KeyView } from '../../../protocol/auth.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { requireAdmin, type AppEnv } from '../../core/principal.ts'
import { jsonBody } from '../../core/validate.ts'
import type { Accounts } from '../account-port.ts'
import { createAccountBook } from '../book/account-book.ts'
import { idempotent } from '../idempotency/idempotent-posts.ts'
import { refundCall } from './refund-flow.ts'
import type { MoneyView } from '../transfer-port.ts'

export interface RefundRouteNeeds {
  /** the registry */
  readonly db: D1Database
  readonly accounts: Accounts
  readonly clock: Clock
  readonly random: RandomBytes
}

export function createRefundRoutes({ db, accounts, clock, random }: RefundRouteNeeds) {
  const registered = createAccountBook(db)
  // A share that could not be asked for is tried again by the same request.
  const once = idempotent({ accounts, random }, (reply) =>
    RefundReply.parse(reply).takenBack.every(({ error }) => error === null),
  )

  /** Who is asking is settled before a body is read. */
  const freshAdmin: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireAdmin(c, clock())
    await next()
  }

  const known = async (text: string): Promise<AccountId> => {
    if (!isAccountId(text) || isHouse(text) || !(await registered.exists(text)))
      throw new GatewayError('not_found', { param: 'accountId', detail: 'There is no such account.' })
    return text
  }

  return new Hono<AppEnv>()
    .post('/admin/refunds', freshAdmin, jsonBody(RefundBody), once, async (c) => {
      const { usd, ...order } = c.req.valid('json')
      const accountId = await known(order.accountId)
      const amountNanos = usd === undefined ? null : fromUsd(usd)
      const by = requireAdmin(c).accountId
      return c.json(await refundCall(accounts, { ...order, accountId, amountNanos, by }))
    })

    .get('/admin/accounts/:id', async (c) => {
      requireAdmin(c)
      const accountId = await known(c.req.param('id'))
      const guard = accounts(accountId)
      const [money, limits, keys] = await Promise.all([
        guard.money(),
        guard.limits(),
        guard.listKeys(null, LIMITS.pageRows),
      ])
      if (!money) throw new GatewayError('not_found', { detail: 'This account has not been used yet.' })
      return c.json({
        ...moneyReply(accountId, money),
        limits,
        keys: keys.data.map(keyReply),
      } satisfies AccountMoneyReply)
    })
}

const keyReply = ({
  hint: _h,
  scopes: _s,
  models: _m,
  nodes: _n,
  oldKeyUntil: _o,
  ...limits
}: KeyView): KeyLimitsView => limits

const moneyReply = (accountId: AccountId, money: MoneyView): AccountMoneyReply => ({
  accountId,
  balance: toUsd(money.availableNanos),
  held: toUsd(money.heldNanos),
  vesting: toUsd(money.vestingNanos),
  vestingParts: money.vesting.map(({ until, amountNanos }) => ({
    usd: toUsd(amountNanos),
    until: new Date(until).toISOString(),
  })),
  withdrawable: toUsd(money.withdrawableNanos),
  fees: toUsd(money.feesNanos),
  audits: toUsd(money.auditsNanos),
  frozen: money.frozen && { ...money.frozen, at: new Date(money.frozen.at).toISOString() },
  seq: money.seq,
})

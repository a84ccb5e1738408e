// `/api/admin/accounts/{id}/freeze` and `/unfreeze`: an admin with a fresh sign-in stops an account from spending, and lets it spend again.
// Both are lines of the account's journal, with the reason and who; running calls finish, and what the account earns arrives.
import { Hono, type MiddlewareHandler } from 'hono'
import { FreezeBody, type FreezeReply } from '../../../protocol/ledger.ts'
import { instant, isAccountId, type AccountId, type Instant } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { requireAdmin, type AppEnv } from '../../core/principal.ts'
import { refusal } from '../../core/refusal.ts'
import { jsonBody } from '../../core/validate.ts'
import { createAccountBook } from '../book/account-book.ts'
import type { Accounts } from '../account-port.ts'
import type { Frozen } from '../transfer-port.ts'

export interface FreezeRouteNeeds {
  /** the registry */
  readonly db: D1Database
  readonly accounts: Accounts
  readonly clock: Clock
}

/** Mounted at /api. */
export function createFreezeRoutes({ db, accounts, clock }: FreezeRouteNeeds) {
  const registered = createAccountBook(db)

  /** Who is asking is settled before a body is read. */
  const freshAdmin: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireAdmin(c, clock())
    await next()
  }

  const existing = async (text: string): Promise<AccountId> => {
    if (!isAccountId(text) || !(await registered.exists(text)))
      throw new GatewayError('not_found', { detail: 'There is no such account.' })
    return text
  }

  return new Hono<AppEnv>()
    .post('/admin/accounts/:id/freeze', freshAdmin, jsonBody(FreezeBody), async (c) => {
      const accountId = await existing(c.req.param('id'))
      const { reason, seen } = c.req.valid('json')
      const by = requireAdmin(c).accountId
      const reply = await accounts(accountId).freeze({ cause: 'admin', reason, by, seen: instantOf(seen) })
      if (!reply.ok) throw refusal(reply)
      return c.json({ accountId, frozen: frozenView(reply.frozen) } satisfies FreezeReply)
    })
    .post('/admin/accounts/:id/unfreeze', freshAdmin, jsonBody(FreezeBody), async (c) => {
      const accountId = await existing(c.req.param('id'))
      const { reason, seen } = c.req.valid('json')
      const by = requireAdmin(c).accountId
      const reply = await accounts(accountId).unfreeze(reason, by, undefined, instantOf(seen))
      if (!reply.ok) throw refusal(reply)
      return c.json({ accountId, frozen: null } satisfies FreezeReply)
    })
}

const instantOf = (text: string | null | undefined): Instant | null | undefined =>
  typeof text === 'string' ? instant(Date.parse(text)) : text

const frozenView = ({ cause, reason, by, at }: Frozen): NonNullable<FreezeReply['frozen']> => ({
  cause,
  reason,
  by,
  at: new Date(at).toISOString(),
})

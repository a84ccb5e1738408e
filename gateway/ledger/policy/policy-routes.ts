// `/api/account/policy`: what may be done with what this account sends. A key reads it and never changes it: it would be lowering its own account's guard.
import { Hono, type MiddlewareHandler } from 'hono'
import { PolicyRequest, type PolicyView } from '../../../protocol/disputes.ts'
import { identified, requireManager } from '../../core/management.ts'
import { requireSession, type AppEnv } from '../../core/principal.ts'
import { refusal } from '../../core/refusal.ts'
import { jsonBody } from '../../core/validate.ts'
import type { Accounts } from '../account-port.ts'

const signedIn: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c)
  await next()
}

/** Mounted at /api. */
export function createPolicyRoutes({ accounts }: { readonly accounts: Accounts }) {
  return new Hono<AppEnv>()
    .get('/account/policy', identified, async (c) => {
      const { accountId } = await requireManager(c, accounts)
      return c.json((await accounts(accountId).policy()) satisfies PolicyView)
    })
    .put('/account/policy', signedIn, jsonBody(PolicyRequest), async (c) => {
      const { accountId } = requireSession(c)
      const set = await accounts(accountId).setPolicy(c.req.valid('json'))
      if (!set.ok) throw refusal(set)
      return c.json(set.policy satisfies PolicyView)
    })
}

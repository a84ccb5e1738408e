// `GET /api/calls/{id}`: one ended call, explained and proved, for who is signed in or holds a managing key of its account. Whose call it is not,
// learns no more than of one that never was.
import { Hono } from 'hono'
import { identified, requireManager } from '../../core/management.ts'
import type { AppEnv } from '../../core/principal.ts'
import type { Accounts } from '../../ledger/account-port.ts'
import { generationOf } from './generation.ts'

/** Mounted at /api. */
export function createCallRecordRoutes({ accounts }: { readonly accounts: Accounts }) {
  return new Hono<AppEnv>().get('/calls/:id', identified, async (c) => {
    const { accountId } = await requireManager(c, accounts)
    return c.json(await generationOf(accounts(accountId), c.req.param('id')))
  })
}

// The money routes behind a principal that is simply given, over real guards, a real registry and a real book.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { toResponse } from '../../../gateway/core/errors.ts'
import type { AppEnv, Principal, SessionPrincipal } from '../../../gateway/core/principal.ts'
import { Secret } from '../../../gateway/core/sealed.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import type { Role } from '../../../protocol/auth.ts'
import { newAccountId, type AccountId } from '../../../protocol/units.ts'
import { aCredit, anAccount, START, type TestAccount, type TestClock } from './ledger-house.ts'

export const ADMIN = newAccountId(systemRandom)
export const WALLET = '0x0000000000000000000000000000000000000001'

export const signedIn = (accountId: AccountId, roles: Role[] = ['consumer'], signedInAt = START): SessionPrincipal => ({
  kind: 'session',
  member: 'owner',
  accountId,
  address: WALLET,
  roles,
  signedInAt,
  viaCookie: false,
  secret: new Secret('session'),
})
export const admin = signedIn(ADMIN, ['admin'])

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly code: string | undefined
}

/** Speaks JSON to routes that are mounted under `/api`. */
export function anApi(routes: Hono<AppEnv>) {
  const raw = async (who: Principal | null, method: string, path: string, body?: unknown): Promise<Response> => {
    const app = new Hono<AppEnv>()
      .use(async (c, next) => {
        c.set('principal', who)
        await next()
      })
      .route('/api', routes)
    app.onError((error) => toResponse(error, 'req_test'))
    const init =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    return app.request(`/api${path}`, { method, ...init })
  }
  const ask = async (who: Principal | null, method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await raw(who, method, path, body)
    const said = await response.json<{ error?: { code: string } }>()
    return { status: response.status, body: said, code: said.error?.code }
  }
  return { raw, ask }
}

/** In the registry as well, with a wallet of its own. */
export async function aRegistered(clock?: TestClock, wallet?: string): Promise<TestAccount> {
  const account = await anAccount(clock)
  await env.DB.prepare('INSERT INTO accounts (id, created_at, book) VALUES (?, ?, 0)').bind(account.id, START).run()
  if (wallet) {
    const insert = 'INSERT OR REPLACE INTO wallets (address, account_id, added_at) VALUES (?, ?, ?)'
    await env.DB.prepare(insert).bind(wallet, account.id, START).run()
  }
  return account
}

/** What somebody paid this account for its work. */
export async function earn(account: TestAccount, amount: bigint): Promise<void> {
  await account.port.credit(aCredit(newAccountId(systemRandom), 1, 1, amount))
}

// The house's office over a real registry and real guards, behind a principal that is simply given, with the log of admins in front as in the app.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test'
import { Hono } from 'hono'
import type { DisputeRouteNeeds } from '../../../gateway/admin/dispute-routes.ts'
import { createAdminLog } from '../../../gateway/admin/log.ts'
import { createAdminRoutes } from '../../../gateway/admin/routes.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { parseConfig } from '../../../gateway/core/env.ts'
import { toResponse } from '../../../gateway/core/errors.ts'
import { loadGatewayKey } from '../../../gateway/core/gateway-key.ts'
import { createParameters, defaultsOf } from '../../../gateway/core/parameters.ts'
import type { AppEnv, Principal } from '../../../gateway/core/principal.ts'
import { createCallOf } from '../../../gateway/ledger/calls/disputable-call.ts'
import { refundCall } from '../../../gateway/ledger/refunds/refund-flow.ts'
import { accounts, aClock, type TestClock } from '../ledger/ledger-house.ts'

export const CONFIG = parseConfig(env)

export interface Said<T = unknown> {
  readonly status: number
  readonly code: string | undefined
  readonly body: T
  readonly text: string
}

export async function anOffice(
  clock: TestClock = aClock(),
  db: D1Database = env.DB,
  over: Partial<Pick<DisputeRouteNeeds, 'refundOf'>> = {},
) {
  const key = await loadGatewayKey(CONFIG.signingKey)
  const parameterDefaults = defaultsOf(CONFIG)
  const parameters = createParameters({ db, clock, defaults: parameterDefaults })
  const needs = {
    ...{ db, clock, random: systemRandom, key, parameters, parameterDefaults, accounts },
    callOf: createCallOf(accounts),
    refundOf: (order: Parameters<typeof refundCall>[1]) => refundCall(accounts, order),
    ...over,
  }
  const routes = createAdminRoutes(needs)
  const app = (who: Principal | null) => {
    const made = new Hono<AppEnv>()
      .use(async (c, next) => {
        c.set('requestId', 'req_test')
        c.set('principal', who)
        await next()
      })
      .use('/api/*', createAdminLog(needs))
      .route('/api', routes)
    made.onError((error) => toResponse(error, 'req_test'))
    return made
  }
  const ask = async <T = unknown>(
    who: Principal | null,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Said<T>> => {
    const context = createExecutionContext()
    const json = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    const response = await app(who).request(
      `/api${path}`,
      { method, ...(body === undefined ? {} : json) },
      env,
      context,
    )
    const text = await response.text()
    await waitOnExecutionContext(context)
    const said = (response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : null) as T // each test says what it expects
    return {
      status: response.status,
      code: (said as { error?: { code: string } } | null)?.error?.code,
      body: said,
      text,
    }
  }
  return { ask, clock, parameters, key, needs }
}

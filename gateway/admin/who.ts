// Who may do what in the house's office: middleware that settles it before a body is read.
import type { MiddlewareHandler } from 'hono'
import type { Clock } from '../core/clock.ts'
import { requireAdmin, requireSession, type AppEnv } from '../core/principal.ts'

/** @throws GatewayError as requireSession does */
export const signedIn: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c)
  await next()
}

/** @throws GatewayError as requireAdmin does */
export const admin: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireAdmin(c)
  await next()
}

/** The same, and the wallet signed lately. */
export const freshAdmin =
  (clock: Clock): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    requireAdmin(c, clock())
    await next()
  }

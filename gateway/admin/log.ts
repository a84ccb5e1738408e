// Every state-changing request of an admin leaves an entry in a signed chain, whatever became of it: one middleware in front of all rooms, so that a new
// admin route is logged without knowing of it. The entry is written when the answer is known and before it is given; an answer whose entry cannot be
// written is not given.
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { ADMIN_LOG_START, ADMIN_LOG_TYP, adminLogHash } from '../../protocol/admin-log.ts'
import type { AdminLogEntry } from '../../protocol/parameters.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError, logError, toResponse } from '../core/errors.ts'
import type { GatewayKey } from '../core/gateway-key.ts'
import type { AppEnv, SessionPrincipal } from '../core/principal.ts'
import { createLogBook, type LogBook } from './log-book.ts'
import { loggedBody } from './logged-body.ts'

export interface AdminLogNeeds {
  /** the registry */
  readonly db: D1Database
  readonly clock: Clock
  readonly key: Pick<GatewayKey, 'attest'>
}

/** entries of others at the same moment that one steps behind */
const TRIES = 50
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])
/** Where an admin acts as one beside /api/admin. */
const ELSEWHERE = [/^\/api\/models\/[^/]+\/[^/]+\/state$/, /^\/api\/nodes\/[^/]+\/(drain|resume|selftest)$/]

/** Mounted for every path, behind who is asking. */
export function createAdminLog({ db, clock, key }: AdminLogNeeds): MiddlewareHandler<AppEnv> {
  const book = createLogBook(db)
  return async (c, next) => {
    const by = adminOf(c)
    if (!by) return next()
    const body = loggedBody(c.req.raw.clone())
    const work = next().then(async () => {
      const pattern = patternOf(c)
      if (pattern === null) return
      const said = {
        at: new Date(clock()).toISOString(),
        by: by.address,
        accountId: by.accountId,
        action: `${c.req.method} ${pattern}`,
        target: targetOf(pattern, c.req.path),
        body: await body,
        status: c.res.status,
        requestId: c.var.requestId,
      }
      await append(book, key, said)
    })
    // Who asked may leave; what was done is written down.
    c.executionCtx.waitUntil(work.catch(() => undefined))
    try {
      await work
    } catch (error) {
      logError(error, c.var.requestId)
      const refused = new GatewayError('unavailable', {
        detail: 'It may have been done, and could not be written down: look before you ask again.',
        cause: error,
      })
      c.res = undefined
      c.res = toResponse(refused, c.var.requestId, c.req.path)
    }
  }
}

function adminOf(c: Context<AppEnv>): SessionPrincipal | null {
  const { principal } = c.var
  if (SAFE_METHODS.has(c.req.method) || principal?.kind !== 'session' || !principal.roles.includes('admin')) return null
  const { path } = c.req
  return path.startsWith('/api/admin/') || ELSEWHERE.some((one) => one.test(path)) ? principal : null
}

/** Of the route that answered; null: there is none, so nothing was tried. */
const patternOf = (c: Context<AppEnv>): string | null =>
  matchedRoutes(c).findLast(({ method, path }) => method === c.req.method && !path.includes('*'))?.path ?? null

/** @example targetOf('/api/admin/nodes/:id/suspend', '/api/admin/nodes/node_1/suspend') // { id: 'node_1' } */
export function targetOf(pattern: string, path: string): Record<string, string> {
  const parts = path.split('/')
  return Object.fromEntries(
    pattern.split('/').flatMap((name, at) => {
      const [, parameter] = /^:(\w+)/.exec(name) ?? []
      return parameter === undefined ? [] : [[parameter, decoded(parts[at] ?? '').slice(0, 200)] as const]
    }),
  )
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** @throws Error when others are always first */
async function append(
  book: LogBook,
  key: AdminLogNeeds['key'],
  said: Omit<AdminLogEntry, 'seq' | 'prevHash' | 'hash' | 'signature'>,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const head = await book.head()
    const placed = { ...said, seq: (head?.seq ?? 0) + 1, prevHash: head?.hash ?? ADMIN_LOG_START }
    const hash = adminLogHash(placed)
    const signature = await key.attest(ADMIN_LOG_TYP, { seq: placed.seq, hash })
    if (await book.add({ ...placed, hash, signature })) return
  }
  throw new Error('the log of admins is too busy')
}

// Every state-changing request of an admin leaves its entries in a signed chain, whatever became of it: one middleware in front of all rooms, so that a new
// admin route is logged without knowing of it. What is to be done is entered before it is begun, and nothing is done that cannot be entered; what came of it
// is entered when it is known and before it is answered. An act without its outcome is one whose gateway nobody heard of again.
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { INTENDED, OUTCOME, outcomeTarget } from '../../protocol/admin-acts.ts'
import { ADMIN_LOG_START, ADMIN_LOG_TYP, adminLogHash } from '../../protocol/admin-log.ts'
import { ErrorBody } from '../../protocol/errors.ts'
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
    const pattern = by && patternOf(c)
    if (!by || pattern === null) return next()
    const { requestId } = c.var
    const enter = (what: Pick<AdminLogEntry, 'action' | 'target' | 'body' | 'status'>): Promise<number> => {
      const said = { at: new Date(clock()).toISOString(), by: by.address, accountId: by.accountId, ...what, requestId }
      return append(book, key, said)
    }
    let isEntered = false
    const act = async (): Promise<void> => {
      const body = await loggedBody(c.req.raw.clone())
      const action = `${c.req.method} ${pattern}`
      const seq = await enter({ action, target: targetOf(pattern, c.req.path), body, status: INTENDED })
      isEntered = true
      await next()
      const target = outcomeTarget(seq, await codeOf(c.res))
      await enter({ action: OUTCOME, target, body: '', status: c.res.status })
    }
    const work = act()
    // Who asked may leave; what was done is written down.
    c.executionCtx.waitUntil(work.catch(() => undefined))
    try {
      await work
    } catch (error) {
      logError(error, requestId)
      const refused = new GatewayError('unavailable', { detail: isEntered ? MAY_BE_DONE : NOT_DONE, cause: error })
      c.res = undefined
      c.res = toResponse(refused, requestId, c.req.path)
    }
  }
}

const NOT_DONE = 'Nothing was done: it could not be written down first.'
const MAY_BE_DONE = 'It may have been done, and what came of it could not be written down: look before you ask again.'

/** Of a refusal that says one. */
async function codeOf(response: Response): Promise<string | null> {
  if (response.status < 400) return null
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null)
  return ErrorBody.safeParse(body).data?.error.code ?? null
}

function adminOf(c: Context<AppEnv>): SessionPrincipal | null {
  const { principal } = c.var
  if (SAFE_METHODS.has(c.req.method) || principal?.kind !== 'session' || !principal.roles.includes('admin')) return null
  const { path } = c.req
  return path.startsWith('/api/admin/') || ELSEWHERE.some((one) => one.test(path)) ? principal : null
}

/** Of the route that will answer; null: there is none, so nothing is tried. */
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

/** @returns its number @throws Error when others are always first */
async function append(
  book: LogBook,
  key: AdminLogNeeds['key'],
  said: Omit<AdminLogEntry, 'seq' | 'prevHash' | 'hash' | 'signature'>,
): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const head = await book.head()
    const placed = { ...said, seq: (head?.seq ?? 0) + 1, prevHash: head?.hash ?? ADMIN_LOG_START }
    const hash = adminLogHash(placed)
    const signature = await key.attest(ADMIN_LOG_TYP, { seq: placed.seq, hash })
    if (await book.add({ ...placed, hash, signature })) return placed.seq
  }
  throw new Error('the log of admins is too busy')
}

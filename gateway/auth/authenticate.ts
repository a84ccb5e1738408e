// Middleware: who is asking. A key costs one MAC and no I/O; whether it is still good, the guard says inside `hold`. A session costs
// one round trip to the registry, a node's own key as much and its signature. Nobody is a principal too: null, and the routes decide what that is worth.
import { drizzle, type DrizzleD1Database } from 'drizzle-orm/d1'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import { matchedRoutes } from 'hono/route'
import type { MemberRole } from '../../protocol/auth.ts'
import { GatewayError } from '../core/errors.ts'
import { requireSession, type AppEnv, type NodePrincipal, type Principal } from '../core/principal.ts'
import { Secret } from '../core/sealed.ts'
import { readApiKey } from './api-key.ts'
import { credentialOf, type Credential } from './credential.ts'
import { mayAsk } from './member-rights.ts'
import type { AuthNeeds } from './needs.ts'
import { readNodeRequest } from './node-request.ts'
import { rolesOf } from './roles.ts'
import { findSession } from './session-book.ts'
import { siteOf } from './site.ts'

export type AuthenticateNeeds = Pick<AuthNeeds, 'db' | 'config' | 'clock'>

/**
 * Sets `c.var.principal`.
 * @throws GatewayError invalid_api_key, not_signed_in (a session bearer that is none), forbidden (foreign Origin, or not a member's right); not_found, authorization_refused and
 * body_too_large for what a node's key signs
 */
export function createAuthenticate(needs: AuthenticateNeeds): MiddlewareHandler<AppEnv> {
  const db = drizzle(needs.db)
  return async (c, next) => {
    const site = siteOf(needs.config, c.req.url)
    const credential = credentialOf(
      {
        method: c.req.method,
        path: c.req.path,
        authorization: c.req.header('authorization'),
        origin: c.req.header('origin'),
        sessionCookie: getCookie(c, site.sessionCookie),
      },
      site,
    )
    const isNode = credential.kind === 'node'
    const principal = await (isNode ? nodeOf(c, credential, needs, db) : principalOf(credential, needs, db))
    if (principal?.kind === 'session') requireRight(c, principal.member)
    c.set('principal', principal)
    await next()
  }
}

/**
 * The one place where a member's role counts: the route that the router found must be one that this role may ask. Whether the thing it is about is there
 * nobody has looked yet, so that "not yours" and "not there" are refused alike. @throws GatewayError forbidden
 */
function requireRight(c: Context<AppEnv>, member: MemberRole): void {
  for (const { method, path } of matchedRoutes(c)) {
    if (method === 'ALL' || path.includes('*') || !GATED.test(path) || mayAsk(member, `${method} ${path}`)) continue
    throw new GatewayError('forbidden', {
      detail: `As ${member} of this account your wallet may not: ask an owner.`,
    })
  }
}

const GATED = /^\/(api|auth)(\/|$)/

/** Before the body is read, so that a stranger learns nothing from it. @throws GatewayError as `requireSession` does */
export const signedIn: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c)
  await next()
}

async function principalOf(
  credential: Exclude<Credential, { kind: 'node' }>,
  needs: AuthenticateNeeds,
  db: DrizzleD1Database,
): Promise<Principal | null> {
  switch (credential.kind) {
    case 'none':
      return null
    case 'nonsense':
      throw new GatewayError(credential.expected === 'key' ? 'invalid_api_key' : 'not_signed_in')
    case 'foreign_origin':
      throw new GatewayError('forbidden', { detail: 'A cookie counts only on requests from our own pages.' })
    case 'key': {
      const key = readApiKey(credential.text, needs.config.keySecret)
      if (!key) throw new GatewayError('invalid_api_key')
      return { kind: 'key', ...key }
    }
    case 'bearer':
    case 'cookie':
      return sessionPrincipal(credential, needs, db)
    default:
      return credential satisfies never
  }
}

/** Its body is read to be hashed, and given back for the route to read. */
async function nodeOf(
  c: Context<AppEnv>,
  { jws, nodeId }: Extract<Credential, { kind: 'node' }>,
  { clock }: AuthenticateNeeds,
  db: DrizzleD1Database,
): Promise<NodePrincipal> {
  if (jws === null) throw new GatewayError('authorization_refused', { detail: 'Its signature is too long.' })
  const { node, request } = await readNodeRequest(db, { jws, nodeId, request: c.req.raw, now: clock() })
  c.req.raw = request
  return node
}

async function sessionPrincipal(
  credential: Extract<Credential, { token: string }>,
  { config, clock }: AuthenticateNeeds,
  db: DrizzleD1Database,
): Promise<Principal | null> {
  const found = await findSession(db, credential.token, clock())
  if (found) {
    const roles = rolesOf(found.standing, config.admins, found.session.address)
    const secret = new Secret(credential.token)
    return { kind: 'session', ...found.session, roles, viaCookie: credential.kind === 'cookie', secret }
  }
  // A browser cannot help sending a stale cookie: to it the page is simply signed out.
  if (credential.kind === 'cookie') return null
  throw new GatewayError('not_signed_in')
}

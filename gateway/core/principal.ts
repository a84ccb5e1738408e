// Who is asking. A key's MAC was checked before a KeyPrincipal exists; whether the key is still valid is the guard's to say, inside `hold`.
// A NodePrincipal exists only on the few routes of auth/credential.ts, and even there a route has to ask for it by name.
import type { Context } from 'hono'
import type { MemberRole, Role } from '../../protocol/auth.ts'
import type { AccountId, Instant, KeyId, NodeId } from '../../protocol/units.ts'
import { GatewayError } from './errors.ts'
import { SIGN_IN } from './limits.ts'
import type { Secret } from './sealed.ts'

export interface KeyPrincipal {
  readonly kind: 'key'
  readonly accountId: AccountId
  readonly keyId: KeyId
  /** sha256 hex of the secret part: what the guard compares */
  readonly secretHash: string
  /** the secret part itself: what this caller's kept answers are sealed under */
  readonly secret: Secret
}

export interface SessionPrincipal {
  readonly kind: 'session'
  readonly accountId: AccountId
  readonly address: string
  readonly roles: readonly Role[]
  /** what this wallet is in its account: which routes it may ask, auth/member-rights.ts says */
  readonly member: MemberRole
  /** when the wallet last signed */
  readonly signedInAt: Instant
  /** by cookie: state-changing requests must then come from our own origin */
  readonly viaCookie: boolean
  /** the token: what this caller's kept answers are sealed under */
  readonly secret: Secret
}

/** A node, by its own key, which signed this very request. It looks after itself and nothing else. */
export interface NodePrincipal {
  readonly kind: 'node'
  readonly nodeId: NodeId
  /** its operator's */
  readonly accountId: AccountId
  /** Ed25519 public key, base64url */
  readonly nodeKey: string
}

export type Principal = KeyPrincipal | SessionPrincipal | NodePrincipal

/** What Hono's context carries, and nothing more. */
export interface AppEnv {
  Variables: { requestId: string; principal: Principal | null }
}

/** @throws GatewayError missing_api_key; a session cannot infer, only a key can */
export function requireKey(c: Context<AppEnv>): KeyPrincipal {
  const principal = c.var.principal
  if (principal?.kind !== 'key') throw new GatewayError('missing_api_key')
  return principal
}

/** @throws GatewayError not_signed_in, or forbidden for an API key, which cannot manage an account */
export function requireSession(c: Context<AppEnv>): SessionPrincipal {
  const principal = c.var.principal
  if (!principal || principal.kind === 'node') throw new GatewayError('not_signed_in')
  if (principal.kind !== 'session')
    throw new GatewayError('forbidden', { detail: 'An API key cannot manage an account; sign in with the wallet.' })
  return principal
}

/** For what a stolen session alone must not do. @throws GatewayError as {@link requireSession}, and fresh_sign_in_required unless the wallet signed lately */
export function requireFreshSession(c: Context<AppEnv>, now: Instant): SessionPrincipal {
  const principal = requireSession(c)
  if (now - principal.signedInAt > SIGN_IN.freshMs) throw new GatewayError('fresh_sign_in_required')
  return principal
}

/** @throws GatewayError forbidden unless an admin; with `now`, fresh_sign_in_required unless the wallet signed lately */
export function requireAdmin(c: Context<AppEnv>, now?: Instant): SessionPrincipal {
  const principal = requireSession(c)
  if (!principal.roles.includes('admin')) throw new GatewayError('forbidden')
  if (now !== undefined && now - principal.signedInAt > SIGN_IN.freshMs)
    throw new GatewayError('fresh_sign_in_required')
  return principal
}

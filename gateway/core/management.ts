// Who may read and manage an account: a signed-in wallet, or an API key with the scope `manage`. Whether such a key still stands the
// account's guard says, in one RPC. What moves money out, wallets, and everything of admins asks for the wallet itself (requireSession).
import type { Context, MiddlewareHandler } from 'hono'
import type { KeyView } from '../../protocol/auth.ts'
import type { AccountId, KeyId } from '../../protocol/units.ts'
import { GatewayError } from './errors.ts'
import type { AppEnv } from './principal.ts'
import { refusal, type RefusedReply } from './refusal.ts'

/** What of a guard is asked; rooms hand in their way to guards. */
export interface KeyInspector {
  inspectKey(
    keyId: KeyId,
    secretHash: string,
  ): Promise<{ readonly ok: true; readonly key: KeyView } | (RefusedReply & { readonly ok: false })>
}

export interface Manager {
  readonly accountId: AccountId
  /** the key that manages; null for a signed-in wallet */
  readonly key: KeyView | null
}

/** Before a body is read, so that a stranger learns nothing from it; what a key may, {@link requireManager} asks. @throws not_signed_in */
export const identified: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { principal } = c.var
  if (!principal || principal.kind === 'node') throw new GatewayError('not_signed_in')
  await next()
}

/** @throws GatewayError not_signed_in, scope_missing, or what the guard says of a key that stands no more */
export async function requireManager(
  c: Context<AppEnv>,
  accounts: (accountId: AccountId) => KeyInspector,
): Promise<Manager> {
  const { principal } = c.var
  if (!principal || principal.kind === 'node') throw new GatewayError('not_signed_in')
  const { accountId } = principal
  if (principal.kind === 'session') return { accountId, key: null }
  const inspected = await accounts(accountId).inspectKey(principal.keyId, principal.secretHash)
  if (!inspected.ok) throw refusal(inspected)
  if (!inspected.key.scopes.includes('manage'))
    throw new GatewayError('scope_missing', { detail: 'Only a key with the scope "manage" manages its account.' })
  return { accountId, key: inspected.key }
}

/** Before a body is read, where what the body says is worth nothing to a key that manages nothing. A key's guard is asked twice then. @throws as {@link requireManager} */
export const managing =
  (accounts: (accountId: AccountId) => KeyInspector): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    await requireManager(c, accounts)
    await next()
  }

/** Who asks about a node: an operator by wallet or managing key, a node by its own key, or an admin. */
export interface NodeKeeper {
  /** the operator's, unless an admin asks */
  readonly accountId: AccountId
  readonly isAdmin: boolean
  readonly by: 'node' | 'session' | 'key'
}

/**
 * Settles who asks about node `nodeId`; whether the account is its operator's, the caller compares with the node's row. Mount no `identified` in front.
 * @throws GatewayError not_signed_in, not_found (another node's key), and as {@link requireManager}
 */
export async function requireNodeKeeper(
  c: Context<AppEnv>,
  accounts: (accountId: AccountId) => KeyInspector,
  nodeId: string,
): Promise<NodeKeeper> {
  const { principal } = c.var
  if (principal?.kind === 'node') {
    if (principal.nodeId !== nodeId) throw new GatewayError('not_found')
    return { accountId: principal.accountId, isAdmin: false, by: 'node' }
  }
  const { accountId, key } = await requireManager(c, accounts)
  const isAdmin = principal?.kind === 'session' && principal.roles.includes('admin')
  return { accountId, isAdmin, by: key ? 'key' : 'session' }
}

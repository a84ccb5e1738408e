// Which roles a session has: a rule over what its account owns and which wallet signed in. Roles are never stored, so losing the last node, or
// leaving the configured list of admins, holds from the next request.
import type { MemberRole, Role } from '../../protocol/auth.ts'

/** A wallet of an account. */
export interface Member {
  /** EIP-55 */
  readonly address: string
  /** EIP-155 id of its contract's chain; null: a key pair */
  readonly chainId: number | null
  readonly role: MemberRole
  /** ms */
  readonly addedAt: number
}

/** What the registry knows of an account that gives it roles. */
export interface Standing {
  readonly wallets: readonly Member[]
  readonly ownsNode: boolean
  readonly ownsHandle: boolean
}

/**
 * The house trusts a wallet, not whoever shares an account with it: only the admin's own wallet is one.
 * @param admins addresses in lower case, from configuration @param address that signed in; null: no wallet did, a key asks
 */
export function rolesOf(
  standing: Pick<Standing, 'ownsNode' | 'ownsHandle'>,
  admins: ReadonlySet<string>,
  address: string | null,
): Role[] {
  const roles: Role[] = ['consumer']
  if (standing.ownsNode) roles.push('operator')
  if (standing.ownsHandle) roles.push('author')
  if (address !== null && admins.has(address.toLowerCase())) roles.push('admin')
  return roles
}

// Which roles an account has: a rule over what it owns. Roles are never stored, so losing the last node, or leaving the
// configured list of admins, holds from the next request.
import type { Role } from '../../protocol/auth.ts'

/** What the registry knows of an account that gives it roles. */
export interface Standing {
  readonly wallets: readonly { readonly address: string; readonly addedAt: number }[]
  readonly ownsNode: boolean
  readonly ownsHandle: boolean
}

/** @param admins addresses in lower case, from configuration */
export function rolesOf(standing: Standing, admins: ReadonlySet<string>): Role[] {
  const roles: Role[] = ['consumer']
  if (standing.ownsNode) roles.push('operator')
  if (standing.ownsHandle) roles.push('author')
  if (standing.wallets.some(({ address }) => admins.has(address.toLowerCase()))) roles.push('admin')
  return roles
}

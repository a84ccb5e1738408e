// Who may change whom (a rule). An owner changes everybody, an admin everybody who is and becomes no owner, and everybody may leave. What makes or
// unmakes an owner waits, because a stolen session could otherwise lock the others out; and one owner stays, whatever was asked for.
import type { MemberRole } from '../../protocol/auth.ts'
import type { Member } from './roles.ts'

export interface ChangeAsked {
  /** who asks */
  readonly by: Pick<Member, 'address' | 'role'>
  /** of whom */
  readonly of: Pick<Member, 'address' | 'role'>
  /** null: removes */
  readonly to: MemberRole | null
  /** owners of the account now */
  readonly owners: number
}

export type ChangeJudged =
  | { readonly ok: true; readonly isDelayed: boolean }
  | { readonly ok: false; readonly code: 'forbidden' | 'last_wallet' }

/** @example judgeChange({ by: owner, of: member, to: 'owner', owners: 1 }) // { ok: true, isDelayed: true } */
export function judgeChange({ by, of, to, owners }: ChangeAsked): ChangeJudged {
  const isAboutOwner = of.role === 'owner' || to === 'owner'
  const isLeaving = to === null && by.address === of.address
  const isAllowed = by.role === 'owner' || isLeaving || (by.role === 'admin' && !isAboutOwner)
  if (!isAllowed) return { ok: false, code: 'forbidden' }
  if (of.role === 'owner' && to !== 'owner' && owners <= 1) return { ok: false, code: 'last_wallet' }
  return { ok: true, isDelayed: isAboutOwner && of.role !== to }
}

/** Nobody hands on more than they have. */
export const mayInvite = (by: MemberRole, role: MemberRole): boolean =>
  by === 'owner' || (by === 'admin' && role !== 'owner')

/** What a wallet is from the moment it comes in: an owner only after the delay, an admin until then. */
export const roleAtFirst = (role: MemberRole): MemberRole => (role === 'owner' ? 'admin' : role)

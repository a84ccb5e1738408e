// What each role of a member may do, in a few words (protocol/members.ts).
import type { MemberRole } from '../../../../protocol/auth.ts'

export const ROLES: Readonly<Record<MemberRole, string>> = {
  owner: 'everything',
  admin: 'everything but owners and where money goes',
  member: 'uses and makes keys, sees calls',
  billing: 'sees money and tops up, no keys',
}

/** For a choice. @param isOwner only owners make owners */
export const roleChoices = (isOwner: boolean): { value: MemberRole; label: string }[] =>
  (['owner', 'admin', 'member', 'billing'] as const)
    .filter((role) => isOwner || role !== 'owner')
    .map((role) => ({ value: role, label: `${role}: ${ROLES[role]}` }))

// Who may act for an account. Each wallet of an account is a member with one role; a wallet is in one account. Roles, from most to least:
// owner (everything), admin (everything but owners and where money goes), member (uses and makes keys, sees calls), billing (sees money and tops up, no keys).
import { z } from 'zod'
import { Address, MemberRole, Timestamp } from './auth.ts'

export { MemberRole } from './auth.ts'

/** In `GET /api/account/members`, and who the session is (`me` is its wallet). */
export const MemberView = z.object({
  address: Address,
  /** null: a key pair; otherwise the EIP-155 chain its contract stands on */
  chainId: z.number().int().nullable(),
  role: MemberRole,
  addedAt: Timestamp,
  /** a change that was asked for and waits; null: none */
  pending: z
    .object({ role: MemberRole.nullable(), requestedBy: Address, requestedAt: Timestamp, effectiveAt: Timestamp })
    .nullable(),
})
export type MemberView = z.infer<typeof MemberView>
export const MembersReply = z.object({
  me: Address,
  data: z.array(MemberView),
  /** counts up with every change: what a change is based on */
  version: z.number().int(),
})
export type MembersReply = z.infer<typeof MembersReply>

/** `POST /api/account/invitations` by an owner or admin, who may invite only roles below their own or their own. */
export const InvitationRequest = z.strictObject({ role: MemberRole, note: z.string().trim().max(80).default('') })
/** 201: the only time the code is shown. The link is `/join#<code>`: what stands behind `#` reaches no server's log. */
export const InvitationReply = z.object({ id: z.string(), code: z.string(), role: MemberRole, expiresAt: Timestamp })
export type InvitationReply = z.infer<typeof InvitationReply>
export const InvitationView = z.object({
  id: z.string(),
  role: MemberRole,
  note: z.string(),
  createdAt: Timestamp,
  expiresAt: Timestamp,
})
export type InvitationView = z.infer<typeof InvitationView>
export const InvitationList = z.object({ data: z.array(InvitationView) })
/** `POST /auth/join { code, message, signature }`: a wallet that has no account signs in and is a member from then on. The answer is VerifyReply. */
export const JoinRequest = z.strictObject({
  code: z.string().min(1).max(100),
  message: z.string().min(1).max(4096),
  signature: z.string().regex(/^0x[0-9a-fA-F]{2,8192}$/),
})

/**
 * `PUT /api/account/members/{address}`: needs a fresh sign-in. What makes or unmakes an owner takes effect after a delay, is told to every webhook
 * (`member.changing`), and any owner may take it back until then (`DELETE …/members/{address}/pending`). `role: null` removes. 409 `changed_meanwhile` when `version` is not the present one.
 */
export const MemberChange = z.strictObject({ role: MemberRole.nullable(), version: z.number().int() })
export type MemberChange = z.infer<typeof MemberChange>

/** of `DELETE /api/account/members/{address}/pending`: 409 `changed_meanwhile` when `version` is not the present one. Absent: whatever waits */
export const MemberTakeBack = z.object({ version: z.coerce.number().int().optional() })

/** One signed-in browser or program, in `GET /api/account/sessions`. */
export const SessionView = z.object({
  id: z.string(),
  address: Address,
  signedInAt: Timestamp,
  expiresAt: Timestamp,
  isThis: z.boolean(),
})
export type SessionView = z.infer<typeof SessionView>
export const SessionList = z.object({ data: z.array(SessionView) })

// `/api/account/members` and `/api/account/invitations`: who acts for an account. Changes ask for a fresh sign-in and for the version they are based on;
// what makes or unmakes an owner waits. A code is in the answer that makes it, and in no other.
import { drizzle } from 'drizzle-orm/d1'
import { Hono } from 'hono'
import { getAddress, isAddress } from 'viem'
import { sha256Hex } from '../../protocol/canonical.ts'
import {
  InvitationRequest,
  MemberChange,
  MemberTakeBack,
  type InvitationReply,
  type InvitationView,
  type MembersReply,
} from '../../protocol/members.ts'
import { base32, instant, type AccountId } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { MEMBERS } from '../core/limits.ts'
import { requireFreshSession, requireSession, type AppEnv } from '../core/principal.ts'
import { jsonBody, queryString } from '../core/validate.ts'
import { signedIn } from './authenticate.ts'
import { addInvitation, dropInvitation, findInvitation, listInvitations } from './invitation-book.ts'
import type { Members } from './member-book.ts'
import { mayInvite } from './member-change.ts'
import { currentMembers, requestChange, takeBack } from './members.ts'
import type { AuthNeeds } from './needs.ts'

/** 160 bits */
const CODE_BYTES = 20

export function createMemberRoutes({ clock, random, ...needs }: AuthNeeds) {
  const db = drizzle(needs.db)
  const viewOf = async (accountId: AccountId, me: string): Promise<MembersReply> =>
    membersView(await currentMembers(db, accountId, clock()), me)

  return (
    new Hono<AppEnv>()
      .get('/members', async (c) => {
        const { accountId, address } = requireSession(c)
        return c.json(await viewOf(accountId, address))
      })
      .put('/members/:address', signedIn, jsonBody(MemberChange), async (c) => {
        const now = clock()
        const { accountId, address: by } = requireFreshSession(c, now)
        const { role, version } = c.req.valid('json')
        await requestChange(db, { accountId, by, address: addressOf(c.req.param('address')), role, version, now })
        return c.json(await viewOf(accountId, by))
      })
      // Whoever takes a change back keeps things as they were: no fresh sign-in, so that a stolen session is answered from any device.
      .delete('/members/:address/pending', signedIn, queryString(MemberTakeBack), async (c) => {
        const { accountId, address: by } = requireSession(c)
        const { version = null } = c.req.valid('query')
        await takeBack(db, { accountId, by, address: addressOf(c.req.param('address')), version, now: clock() })
        return c.json(await viewOf(accountId, by))
      })
      .get('/invitations', async (c) => {
        const { accountId } = requireSession(c)
        const data: InvitationView[] = (await listInvitations(db, accountId, clock())).map((invitation) => ({
          ...invitation,
          createdAt: toIso(invitation.createdAt),
          expiresAt: toIso(invitation.expiresAt),
        }))
        return c.json({ data })
      })
      .post('/invitations', signedIn, jsonBody(InvitationRequest), async (c) => {
        const now = clock()
        const { accountId, address, member } = requireFreshSession(c, now)
        const { role, note } = c.req.valid('json')
        if (!mayInvite(member, role)) throw new GatewayError('forbidden', { param: 'role', detail: 'Ask an owner.' })
        const [id, code] = [`inv_${base32(random(10))}`, base32(random(CODE_BYTES))]
        const expiresAt = instant(now + MEMBERS.invitationMs)
        const made = {
          id,
          codeHash: sha256Hex(code),
          accountId,
          role,
          note,
          createdBy: address,
          createdAt: now,
          expiresAt,
        }
        if (!(await addInvitation(db, made)))
          throw new GatewayError('conflict', { detail: `At most ${MEMBERS.invitationsMax} invitations wait at once.` })
        const reply: InvitationReply = { id, code, role, expiresAt: toIso(expiresAt) }
        return c.json(reply, 201, { 'cache-control': 'no-store' })
      })
      .delete('/invitations/:id', async (c) => {
        const { accountId, member } = requireSession(c)
        const id = c.req.param('id')
        const role = await findInvitation(db, accountId, id)
        if (role === null) throw new GatewayError('not_found', { detail: 'There is no such invitation.' })
        if (!mayInvite(member, role)) throw new GatewayError('forbidden', { detail: 'Ask an owner.' })
        await dropInvitation(db, accountId, id)
        return c.body(null, 204)
      })
  )
}

/** EIP-55. @throws GatewayError not_found: what is no address is nobody's */
export function addressOf(text: string): string {
  if (!isAddress(text, { strict: false })) throw new GatewayError('not_found')
  return getAddress(text)
}

function membersView({ version, members, pending }: Members, me: string): MembersReply {
  const waiting = new Map(pending.map((change) => [change.address, change]))
  const data = members.map(({ address, chainId, role, addedAt }) => {
    const change = waiting.get(address)
    return {
      address,
      chainId,
      role,
      addedAt: toIso(addedAt),
      pending: change
        ? {
            role: change.role,
            requestedBy: change.requestedBy,
            requestedAt: toIso(change.requestedAt),
            effectiveAt: toIso(change.effectiveAt),
          }
        : null,
    }
  })
  return { me, data, version }
}

const toIso = (at: number): string => new Date(at).toISOString()

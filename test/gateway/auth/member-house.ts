// An account with members, for stories about who may do what.
import { env } from 'cloudflare:workers'
import { InvitationReply, MembersReply, type MemberChange } from '../../../protocol/members.ts'
import type { MemberRole } from '../../../protocol/auth.ts'
import { instant } from '../../../protocol/units.ts'
import { MEMBERS, SIGN_IN } from '../../../gateway/core/limits.ts'
import { aHouse, aWallet, signed, type House, type Wallet } from './auth-house.ts'

export interface MemberAt {
  readonly wallet: Wallet
  readonly address: string
  token: string
}

export async function aTeam() {
  const house = aHouse()
  const wallet = aWallet()
  const signedIn = await house.signIn(wallet)
  const owner: MemberAt = { wallet, address: wallet.address, token: signedIn.token }

  const members = async (as: MemberAt = owner): Promise<MembersReply> =>
    MembersReply.parse(await (await house.send('GET', '/api/account/members', { token: as.token })).json())
  const change = async (
    of: { address: string },
    role: MemberRole | null,
    { as = owner, version }: { as?: MemberAt; version?: number } = {},
  ): Promise<Response> => {
    const body: MemberChange = { role, version: version ?? (await members()).version }
    return house.send('PUT', `/api/account/members/${of.address}`, { token: as.token, body })
  }
  const invite = async (role: MemberRole, as: MemberAt = owner): Promise<Response> =>
    house.send('POST', '/api/account/invitations', { token: as.token, body: { role, note: 'for a test' } })
  const codeFor = async (role: MemberRole, as: MemberAt = owner): Promise<string> =>
    InvitationReply.parse(await (await invite(role, as)).json()).code
  const join = async (code: string, newcomer: Wallet = aWallet()): Promise<Response> => {
    const body = { code, ...(await signed(newcomer, (await house.nonce()).nonce)) }
    return house.send('POST', '/auth/join', { body })
  }
  /** Somebody who joined with this role. */
  const aMember = async (role: MemberRole): Promise<MemberAt> => {
    const newcomer = aWallet()
    const reply: { token: string } = await (await join(await codeFor(role), newcomer)).json()
    return { wallet: newcomer, address: newcomer.address, token: reply.token }
  }
  const again = async (member: MemberAt): Promise<void> => {
    member.token = (await house.signIn(member.wallet)).token
  }
  /** Another owner whose two days are over; both signed in just now. */
  const anOwner = async (): Promise<MemberAt> => {
    const second = await aMember('owner')
    later(house, MEMBERS.ownerDelayMs)
    for (const one of [owner, second]) await again(one)
    return second
  }
  const roleOf = async (of: MemberAt): Promise<MemberRole | undefined> =>
    (await members()).data.find(({ address }) => address === of.address)?.role
  const told = async (): Promise<string[]> => {
    const { results } = await env.DB.prepare(
      "SELECT data FROM events WHERE account_id = ? AND kind = 'member.changing' ORDER BY at, rowid",
    )
      .bind(signedIn.accountId)
      .all<{ data: string }>()
    return results.map(({ data }) => {
      const { state, role }: { state: string; role: string | null } = JSON.parse(data)
      return `${state} ${role}`
    })
  }
  return {
    house,
    accountId: signedIn.accountId,
    owner,
    members,
    change,
    invite,
    codeFor,
    join,
    aMember,
    again,
    anOwner,
    roleOf,
    told,
  }
}

export function later(house: House, ms: number): void {
  house.now = instant(house.now + ms)
}

/** Longer ago than a fresh sign-in may be. */
export const STALE_MS = SIGN_IN.freshMs + 1

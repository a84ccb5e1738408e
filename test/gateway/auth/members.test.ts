// Who acts for an account: roles that count from the next request, owners who come and go only after two days and can be kept, and of two changes at
// once the later one is told.
import { env } from 'cloudflare:workers'
import { drizzle } from 'drizzle-orm/d1'
import { describe, expect, it } from 'vitest'
import { AccountView, MemberRole } from '../../../protocol/auth.ts'
import { carryOutDue } from '../../../gateway/auth/members.ts'
import { judgeChange, mayInvite } from '../../../gateway/auth/member-change.ts'
import { hasRight } from '../../../gateway/auth/member-rights.ts'
import { MEMBERS } from '../../../gateway/core/limits.ts'
import { aWallet, codeOf, signed } from './auth-house.ts'
import { aTeam, later, STALE_MS } from './member-house.ts'

const statusOf = async (response: Response | Promise<Response>): Promise<[number, string]> => {
  const { status } = await response
  return [status, status < 400 ? '' : await codeOf(await response)]
}

describe('the rule of rights', () => {
  it.each([
    ['see', ['owner', 'admin', 'member', 'billing']],
    ['use', ['owner', 'admin', 'member']],
    ['top_up', ['owner', 'admin', 'billing']],
    ['manage', ['owner', 'admin']],
    ['money_out', ['owner']],
  ] as const)('gives %s to %j', (right, holders) => {
    expect(MemberRole.options.filter((role) => hasRight(role, right))).toEqual(holders)
  })

  it.each([
    // by, of, to, owners -> judged
    ['owner', 'member', 'admin', 1, 'now'],
    ['owner', 'member', 'owner', 1, 'later'],
    ['owner', 'owner', 'admin', 2, 'later'],
    ['owner', 'owner', null, 2, 'later'],
    ['owner', 'owner', null, 1, 'last_wallet'],
    ['owner', 'owner', 'member', 1, 'last_wallet'],
    ['owner', 'owner', 'owner', 1, 'now'],
    ['admin', 'member', 'admin', 1, 'now'],
    ['admin', 'admin', null, 1, 'now'],
    ['admin', 'admin', 'owner', 1, 'forbidden'],
    ['admin', 'owner', 'member', 2, 'forbidden'],
    ['admin', 'owner', null, 2, 'forbidden'],
    ['member', 'billing', 'member', 1, 'forbidden'],
    ['billing', 'member', null, 1, 'forbidden'],
  ] as const)('lets %s change %s to %s, with %i owners: %s', (by, of, to, owners, outcome) => {
    const judged = judgeChange({ by: { address: '0xa', role: by }, of: { address: '0xb', role: of }, to, owners })
    expect(judged.ok ? (judged.isDelayed ? 'later' : 'now') : judged.code).toBe(outcome)
  })

  it('lets everybody leave, and nobody make themselves more', () => {
    for (const role of MemberRole.options) {
      const me = { address: '0xa', role }
      expect(judgeChange({ by: me, of: me, to: null, owners: 2 }).ok, role).toBe(true)
      if (role === 'member' || role === 'billing')
        expect(judgeChange({ by: me, of: me, to: 'admin', owners: 2 }).ok, role).toBe(false)
    }
  })

  it('lets nobody invite above themselves', () => {
    expect(MemberRole.options.filter((role) => mayInvite('owner', role))).toEqual(MemberRole.options)
    expect(MemberRole.options.filter((role) => mayInvite('admin', role))).toEqual(['admin', 'member', 'billing'])
    for (const role of ['member', 'billing'] as const) expect(mayInvite(role, 'billing')).toBe(false)
  })
})

describe('members', () => {
  it('begin with an owner, and a wallet that joins by an invitation has its role', async () => {
    const { members, aMember, owner, accountId, house } = await aTeam()
    const billing = await aMember('billing')
    const { me, data, version } = await members(billing)
    expect(me).toBe(billing.address)
    expect(data.map(({ address, role, chainId, pending }) => [address, role, chainId, pending])).toEqual(
      expect.arrayContaining([
        [owner.address, 'owner', null, null],
        [billing.address, 'billing', null, null],
      ]),
    )
    expect(version).toBe(1)
    const view = AccountView.parse(await (await house.send('GET', '/api/account', { token: billing.token })).json())
    expect([view.accountId, view.me]).toEqual([accountId, { address: billing.address, role: 'billing' }])
  })

  it('may what their role may from the next request on', async () => {
    const { house, aMember, change } = await aTeam()
    const billing = await aMember('billing')
    const keys = () => statusOf(house.send('GET', '/api/keys', { token: billing.token }))
    expect(await keys()).toEqual([403, 'forbidden'])
    expect(await statusOf(change(billing, 'member'))).toEqual([200, ''])
    expect(await keys()).toEqual([200, ''])
    expect(await statusOf(change(billing, 'billing'))).toEqual([200, ''])
    expect(await keys()).toEqual([403, 'forbidden'])
  })

  it('that are removed are signed out at once, everywhere, and may begin an account of their own', async () => {
    const { house, aMember, again, change, accountId } = await aTeam()
    const member = await aMember('member')
    const first = member.token
    await again(member)
    expect(await statusOf(change(member, null))).toEqual([200, ''])
    for (const token of [first, member.token])
      expect(await statusOf(house.send('GET', '/api/account', { token }))).toEqual([401, 'not_signed_in'])
    expect((await house.signIn(member.wallet)).accountId).not.toBe(accountId)
    expect(await statusOf(house.send('GET', '/api/account', { token: first }))).toEqual([401, 'not_signed_in'])
  })

  it('are changed after a fresh sign-in only', async () => {
    const { house, aMember, change, invite } = await aTeam()
    const member = await aMember('member')
    later(house, STALE_MS)
    expect(await statusOf(change(member, 'admin'))).toEqual([401, 'fresh_sign_in_required'])
    expect(await statusOf(invite('member'))).toEqual([401, 'fresh_sign_in_required'])
  })

  it('are changed by one of two at once, and the other is told', async () => {
    const { aMember, change, members, roleOf } = await aTeam()
    const [one, other] = [await aMember('member'), await aMember('admin')]
    const { version } = await members()
    const replies = await Promise.all([
      change(one, 'billing', { version }),
      change(one, 'admin', { version, as: other }),
      change(other, 'member', { version }),
    ])
    const codes = await Promise.all(replies.map(statusOf))
    expect(codes.filter(([status]) => status === 200)).toHaveLength(1)
    expect(codes.filter(([, code]) => code === 'changed_meanwhile' || code === 'forbidden')).toHaveLength(2)
    expect((await members()).version).toBe(version + 1)
    expect(await statusOf(change(one, 'member', { version }))).toEqual([409, 'changed_meanwhile'])
    expect(await roleOf(one)).toBeDefined()
  })

  it('of another account are not there', async () => {
    const [ours, theirs] = [await aTeam(), await aTeam()]
    const stranger = await theirs.aMember('member')
    for (const address of [stranger.address, aWallet().address, 'nonsense'])
      expect(await statusOf(ours.change({ address }, null))).toEqual([404, 'not_found'])
  })
})

describe('an owner', () => {
  it('comes after two days, and is an admin until then', async () => {
    const { house, aMember, members, roleOf, again, owner } = await aTeam()
    const second = await aMember('owner')
    expect(await roleOf(second)).toBe('admin')
    const { data } = await members()
    expect(data.find(({ address }) => address === second.address)?.pending).toEqual({
      role: 'owner',
      requestedBy: owner.address,
      requestedAt: new Date(house.now).toISOString(),
      effectiveAt: new Date(house.now + MEMBERS.ownerDelayMs).toISOString(),
    })
    later(house, MEMBERS.ownerDelayMs - 1)
    await again(owner)
    expect(await roleOf(second)).toBe('admin')
    later(house, 1)
    expect(await roleOf(second)).toBe('owner')
  })

  it('by another wallet of an owner comes after two days too', async () => {
    const { house, owner, members, told } = await aTeam()
    const wallet = aWallet()
    const body = await signed(wallet, (await house.nonce()).nonce)
    expect((await house.send('POST', '/api/account/wallets', { token: owner.token, body })).status).toBe(201)
    expect((await members()).data.find(({ address }) => address === wallet.address)).toMatchObject({
      role: 'admin',
      pending: { role: 'owner' },
    })
    expect(await told()).toEqual(['added owner'])
  })

  it('goes after two days, is told, and any owner takes it back until then', async () => {
    const { house, owner, anOwner, change, members, roleOf, again, told } = await aTeam()
    const second = await anOwner()
    expect(await roleOf(second)).toBe('owner')
    const before = (await told()).length
    expect(await statusOf(change(owner, null, { as: second }))).toEqual([200, ''])
    later(house, STALE_MS)
    const back = (as: typeof owner) =>
      house.send('DELETE', `/api/account/members/${owner.address}/pending`, { token: as.token })
    expect(await statusOf(back(owner))).toEqual([200, ''])
    expect(await statusOf(back(owner))).toEqual([404, 'not_found'])
    await again(second)
    expect(await statusOf(change(owner, 'member', { as: second }))).toEqual([200, ''])
    later(house, MEMBERS.ownerDelayMs)
    await carryOutDue(drizzle(env.DB), house.now)
    for (const one of [owner, second]) await again(one)
    expect((await members(second)).data.find(({ address }) => address === owner.address)).toMatchObject({
      role: 'member',
      pending: null,
    })
    expect(await roleOf(second)).toBe('owner')
    expect((await told()).slice(before)).toEqual([
      'requested null',
      'cancelled null',
      'requested member',
      'changed member',
    ])
  })

  it('is not taken back by anybody else', async () => {
    const { house, owner, aMember } = await aTeam()
    const [admin, second] = [await aMember('admin'), await aMember('owner')]
    const path = `/api/account/members/${second.address}/pending`
    for (const one of [admin, second])
      expect(await statusOf(house.send('DELETE', path, { token: one.token }))).toEqual([403, 'forbidden'])
    expect(await statusOf(house.send('DELETE', path, { token: owner.token }))).toEqual([200, ''])
  })

  it('stays when it is the last one, whatever was asked for while there were two', async () => {
    const { house, owner, anOwner, change, members, again, roleOf } = await aTeam()
    expect(await statusOf(change(owner, 'admin'))).toEqual([409, 'last_wallet'])
    const second = await anOwner()
    expect(await statusOf(change(owner, null, { as: second }))).toEqual([200, ''])
    expect(await statusOf(change(second, null, { as: owner }))).toEqual([200, ''])
    later(house, MEMBERS.ownerDelayMs)
    await carryOutDue(drizzle(env.DB), house.now)
    const rest = await env.DB.prepare('SELECT address FROM wallets WHERE address IN (?, ?)')
      .bind(owner.address, second.address)
      .all<{ address: string }>()
    expect(rest.results).toHaveLength(1)
    const stays = rest.results[0]?.address === owner.address ? owner : second
    await again(stays)
    expect((await members(stays)).data).toMatchObject([{ role: 'owner', pending: null }])
    if (stays === owner) expect(await roleOf(owner)).toBe('owner')
  })
})

describe('an invitation', () => {
  it('is used once, of twenty at the same moment by one', async () => {
    const { codeFor, join, members } = await aTeam()
    const code = await codeFor('member')
    const replies = await Promise.all(Array.from({ length: 20 }, () => join(code)))
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const reply of replies.filter(({ status }) => status !== 200))
      expect(await statusOf(reply)).toEqual([404, 'not_found'])
    expect((await members()).data).toHaveLength(2)
  })

  it('is listed without its code, and taken back', async () => {
    const { house, owner, codeFor, join } = await aTeam()
    const code = await codeFor('admin')
    const listed = await (await house.send('GET', '/api/account/invitations', { token: owner.token })).text()
    expect(listed).not.toContain(code)
    const { data }: { data: { id: string; role: string; note: string }[] } = JSON.parse(listed)
    expect(data).toMatchObject([{ role: 'admin', note: 'for a test' }])
    const path = `/api/account/invitations/${data[0]?.id}`
    const stranger = await house.signIn(aWallet())
    expect(await statusOf(house.send('DELETE', path, { token: stranger.token }))).toEqual([404, 'not_found'])
    expect((await house.send('DELETE', path, { token: owner.token })).status).toBe(204)
    expect(await statusOf(house.send('DELETE', path, { token: owner.token }))).toEqual([404, 'not_found'])
    expect(await statusOf(join(code))).toEqual([404, 'not_found'])
    const { results } = await env.DB.prepare('SELECT * FROM invitations').all()
    expect(JSON.stringify(results)).not.toContain(code)
  })

  it('ends after a week, and with the role of who gave it', async () => {
    const { house, aMember, codeFor, change, join } = await aTeam()
    const admin = await aMember('admin')
    const theirs = await codeFor('member', admin)
    await change(admin, 'member')
    expect(await statusOf(join(theirs))).toEqual([404, 'not_found'])
    const late = await codeFor('member')
    later(house, MEMBERS.invitationMs)
    expect(await statusOf(join(late))).toEqual([404, 'not_found'])
  })

  it('is not given above oneself, and for no wallet that has an account', async () => {
    const { house, aMember, invite, codeFor, join } = await aTeam()
    const admin = await aMember('admin')
    expect(await statusOf(invite('owner', admin))).toEqual([403, 'forbidden'])
    const elsewhere = aWallet()
    await house.signIn(elsewhere)
    const code = await codeFor('member')
    expect(await statusOf(join(code, elsewhere))).toEqual([409, 'wallet_taken'])
    expect((await join(code)).status).toBe(200)
  })

  it('of twenty that wait is the last', async () => {
    const { invite } = await aTeam()
    for (let n = 0; n < MEMBERS.invitationsMax; n++) expect((await invite('member')).status).toBe(201)
    expect(await statusOf(invite('member'))).toEqual([409, 'conflict'])
  })
})

describe('sessions', () => {
  interface Listed {
    data: { id: string; address: string; isThis: boolean }[]
  }
  it('are listed to an owner, and to everybody else their own; an id is no part of a token', async () => {
    const { house, owner, aMember } = await aTeam()
    const member = await aMember('member')
    const listOf = async (token: string) => {
      const text = await (await house.send('GET', '/api/account/sessions', { token })).text()
      for (const secret of [owner.token, member.token]) expect(text).not.toContain(secret)
      return (JSON.parse(text) as Listed).data // the schema is protocol/members.ts's
    }
    expect((await listOf(owner.token)).map(({ address }) => address).sort()).toEqual(
      [owner.address, member.address].sort(),
    )
    expect(await listOf(member.token)).toMatchObject([{ address: member.address, isThis: true }])
    expect((await listOf(owner.token)).filter(({ isThis }) => isThis)).toMatchObject([{ address: owner.address }])
  })

  it('end one by one: one’s own, and an owner anybody’s', async () => {
    const { house, owner, aMember } = await aTeam()
    const [member, other] = [await aMember('member'), await aMember('admin')]
    const { data }: Listed = await (await house.send('GET', '/api/account/sessions', { token: owner.token })).json()
    const idOf = (address: string) => data.find((session) => session.address === address)?.id ?? ''
    const end = (id: string, token: string) => house.send('DELETE', `/api/account/sessions/${id}`, { token })
    const stranger = await house.signIn(aWallet())
    for (const token of [member.token, stranger.token])
      expect(await statusOf(end(idOf(other.address), token))).toEqual([404, 'not_found'])
    for (const id of ['', '0'.repeat(24), 'g', '%', '_'.repeat(24)].filter(Boolean))
      expect(await statusOf(end(id, owner.token))).toEqual([404, 'not_found'])
    expect((await end(idOf(other.address), owner.token)).status).toBe(204)
    expect((await end(idOf(member.address), member.token)).status).toBe(204)
    for (const token of [member.token, other.token])
      expect(await statusOf(house.send('GET', '/api/account', { token }))).toEqual([401, 'not_signed_in'])
    expect((await house.send('GET', '/api/account', { token: owner.token })).status).toBe(200)
  })
})

describe('the house', () => {
  it('trusts the wallet of its admin, not who shares an account with it', async () => {
    const team = await aTeam()
    const admins = new Set([team.owner.address.toLowerCase()])
    Object.assign(team.house.config, { admins })
    const billing = await team.aMember('billing')
    const rolesAt = async (token: string) =>
      AccountView.parse(await (await team.house.send('GET', '/api/account', { token })).json()).roles
    expect(await rolesAt(team.owner.token)).toEqual(['consumer', 'admin'])
    expect(await rolesAt(billing.token)).toEqual(['consumer'])
    expect(await (await team.house.whoami({ token: billing.token })).json()).toMatchObject({ roles: ['consumer'] })
    expect((await team.house.signIn(billing.wallet)).roles).toEqual(['consumer'])
  })
})

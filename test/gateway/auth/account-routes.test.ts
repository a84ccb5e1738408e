// `/api/account`: what one owns, several wallets per account, and roles that follow what is owned now.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { AccountView } from '../../../protocol/auth.ts'
import { instant, isAccountId, nanos, type AccountId } from '../../../protocol/units.ts'
import { rolesOf } from '../../../gateway/auth/roles.ts'
import { LIMITS } from '../../../gateway/core/limits.ts'
import { aHouse, aWallet, codeOf, signed, type House, type Wallet } from './auth-house.ts'

const idOf = (text: string): AccountId => {
  if (!isAccountId(text)) throw new Error('no account id')
  return text
}
const accountOf = async (house: House, token: string) =>
  AccountView.parse(await (await house.send('GET', '/api/account', { token })).json())

/** The signed-in account proves `wallet` with a fresh nonce. */
async function add(house: House, token: string, wallet: Wallet): Promise<Response> {
  const body = await signed(wallet, (await house.nonce()).nonce)
  return house.send('POST', '/api/account/wallets', { token, body })
}

describe('an account', () => {
  it('shows balance and holds as its guard says', async () => {
    const house = aHouse()
    const { token, accountId } = await house.signIn(aWallet())
    Object.assign(house.guards.of(idOf(accountId)), { availableNanos: nanos(1_500_000_001n), heldNanos: nanos(7n) })
    expect(await accountOf(house, token)).toMatchObject({
      accountId,
      balance: '1.500000001',
      held: '0.000000007',
      roles: ['consumer'],
    })
  })

  it('is shown to a signed-in wallet only, not to nobody and not to an API key', async () => {
    const house = aHouse()
    expect((await house.send('GET', '/api/account')).status).toBe(401)
    const { token } = await house.signIn(aWallet())
    const created: { key: string } = await (
      await house.send('POST', '/api/keys', { token, body: { name: 'k' } })
    ).json()
    expect((await house.send('GET', '/api/account', { token: created.key })).status).toBe(403)
  })
})

describe('several wallets', () => {
  it('sign in to one account once the second one is proved', async () => {
    const house = aHouse()
    const [first, second] = [aWallet(), aWallet()]
    const { token, accountId } = await house.signIn(first)
    expect((await add(house, token, second)).status).toBe(201)
    expect((await add(house, token, second)).status).toBe(201)
    expect((await house.signIn(second)).accountId).toBe(accountId)
    expect((await accountOf(house, token)).wallets.map(({ address }) => address).sort()).toEqual(
      [first.address, second.address].sort(),
    )
  })

  it('are refused when they belong to another account', async () => {
    const house = aHouse()
    const { token } = await house.signIn(aWallet())
    const taken = aWallet()
    await house.signIn(taken)
    const refused = await add(house, token, taken)
    expect([refused.status, await codeOf(refused)]).toEqual([409, 'wallet_taken'])
  })

  it('need a proof of their own: another wallet, or a used nonce, is none', async () => {
    const house = aHouse()
    const { token } = await house.signIn(aWallet())
    const wallet = aWallet()
    const body = await signed(wallet, (await house.nonce()).nonce)
    const forged = { ...body, message: body.message.replace(wallet.address, aWallet().address) }
    expect(await codeOf(await house.send('POST', '/api/account/wallets', { token, body: forged }))).toBe(
      'sign_in_refused',
    )
    expect((await house.send('POST', '/api/account/wallets', { token, body })).status).toBe(201)
    expect(await codeOf(await house.send('POST', '/api/account/wallets', { token, body }))).toBe('sign_in_refused')
  })

  it('are added and removed after a fresh sign-in only', async () => {
    const house = aHouse()
    const wallet = aWallet()
    const { token } = await house.signIn(wallet)
    house.now = instant(house.now + 600_001)
    expect(await codeOf(await add(house, token, aWallet()))).toBe('fresh_sign_in_required')
    expect(await codeOf(await house.send('DELETE', `/api/account/wallets/${wallet.address}`, { token }))).toBe(
      'fresh_sign_in_required',
    )
  })

  it('end their sessions when they are taken away, and the last one stays', async () => {
    const house = aHouse()
    const [first, second] = [aWallet(), aWallet()]
    const { token } = await house.signIn(first)
    await add(house, token, second)
    const other = await house.signIn(second)
    const remove = (address: string) => house.send('DELETE', `/api/account/wallets/${address}`, { token })
    expect((await remove(second.address.toLowerCase())).status).toBe(200)
    expect((await house.send('GET', '/api/account', { token: other.token })).status).toBe(401)
    expect(await codeOf(await remove(second.address))).toBe('not_found')
    expect(await codeOf(await remove(first.address))).toBe('last_wallet')
    expect((await house.send('GET', '/api/account', { token })).status).toBe(200)
  })

  it('keep one when both are removed at once', async () => {
    const house = aHouse()
    const [first, second] = [aWallet(), aWallet()]
    const { token } = await house.signIn(first)
    await add(house, token, second)
    const replies = await Promise.all(
      [first, second].map(({ address }) => house.send('DELETE', `/api/account/wallets/${address}`, { token })),
    )
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  it('are twenty at most', async () => {
    const house = aHouse()
    const { token, accountId } = await house.signIn(aWallet())
    const rows = Array.from({ length: LIMITS.walletsPerAccount - 2 }, () => aWallet().address)
    await env.DB.batch(
      rows.map((address) =>
        env.DB.prepare('INSERT INTO wallets (address, account_id, added_at) VALUES (?, ?, 0)').bind(address, accountId),
      ),
    )
    expect((await add(house, token, aWallet())).status).toBe(201)
    const refused = await add(house, token, aWallet())
    expect([refused.status, await codeOf(refused)]).toEqual([409, 'conflict'])
    expect((await accountOf(house, token)).wallets).toHaveLength(LIMITS.walletsPerAccount)
  })

  it("of a stranger are not there, whoever's they are", async () => {
    const house = aHouse()
    const { token } = await house.signIn(aWallet())
    const stranger = aWallet()
    await house.signIn(stranger)
    expect(await codeOf(await house.send('DELETE', `/api/account/wallets/${stranger.address}`, { token }))).toBe(
      'not_found',
    )
    expect(await codeOf(await house.send('DELETE', '/api/account/wallets/nonsense', { token }))).toBe('not_found')
  })
})

describe('roles', () => {
  const standing = {
    ownsNode: false,
    ownsHandle: false,
  }
  it.each([
    [standing, [], ['consumer']],
    [{ ...standing, ownsNode: true }, [], ['consumer', 'operator']],
    [{ ...standing, ownsHandle: true }, [], ['consumer', 'author']],
    [standing, ['0xab00000000000000000000000000000000000001'], ['consumer', 'admin']],
    [
      { ...standing, ownsNode: true, ownsHandle: true },
      ['0xab00000000000000000000000000000000000001'],
      ['consumer', 'operator', 'author', 'admin'],
    ],
  ])('of %j with admins %j are %j', (owned, admins, roles) => {
    expect(rolesOf(owned, new Set(admins), '0xAb00000000000000000000000000000000000001')).toEqual(roles)
  })

  it('follow what an account owns now, and the configuration', async () => {
    const wallet = aWallet()
    const house = aHouse({ admins: new Set([wallet.address.toLowerCase()]) })
    const { token, accountId, roles } = await house.signIn(wallet)
    expect(roles).toEqual(['consumer', 'admin'])
    await env.DB.prepare('INSERT INTO authors (handle, account_id, created_at) VALUES (?, ?, 0)')
      .bind('someone', accountId)
      .run()
    expect((await accountOf(house, token)).roles).toEqual(['consumer', 'author', 'admin'])
    await env.DB.prepare(
      "INSERT INTO nodes (id, name, operator_account_id, operator_address, node_key, settlement_key, endpoint, state, created_at) VALUES ('node_1', 'n', ?, '', 'k', '', '', 'pending', 0)",
    )
      .bind(accountId)
      .run()
    expect((await accountOf(house, token)).roles).toEqual(['consumer', 'operator', 'author', 'admin'])
    await env.DB.prepare('DELETE FROM nodes').run()
    expect(await (await house.whoami({ token })).json()).toMatchObject({ roles: ['consumer', 'author', 'admin'] })
  })
})

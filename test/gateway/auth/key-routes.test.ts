// `/api/keys` with the real guard behind it: created, shown once, listed, revoked; and an invented key that touches nothing.
import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { readApiKey } from '../../../gateway/auth/api-key.ts'
import { createAccounts } from '../../../gateway/ledger/accounts.ts'
import { CreatedKey, KeyView, page } from '../../../protocol/auth.ts'
import { isAccountId } from '../../../protocol/units.ts'
import { aHouse, aWallet, codeOf, type House } from './auth-house.ts'

async function signedIn() {
  const house = aHouse()
  house.guards.accounts = createAccounts(env.ACCOUNT)
  const { token, accountId } = await house.signIn(aWallet())
  if (!isAccountId(accountId)) throw new Error('no account id')
  return { house, token, accountId }
}

const create = (house: House, token: string, body: object) => house.send('POST', '/api/keys', { token, body })
const list = async (house: House, token: string, query = '') =>
  page(KeyView).parse(await (await house.send('GET', `/api/keys${query}`, { token })).json())

describe('a key', () => {
  it('is shown once, with its limits, and reads back as its account and key', async () => {
    const { house, token, accountId } = await signedIn()
    const response = await create(house, token, {
      name: ' mine ',
      limit: { usd: '1.5', period: 'day' },
      rateLimit: { rpm: 60 },
      models: ['souk/tiny-chat'],
    })
    expect(response.status).toBe(201)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const key = CreatedKey.parse(await response.json())
    expect(key).toMatchObject({
      name: 'mine',
      scopes: ['inference'],
      limit: { usd: '1.500000000', period: 'day' },
      rateLimit: { rpm: 60, tpm: null },
      models: ['souk/tiny-chat'],
    })
    expect(readApiKey(key.key, house.config.keySecret)).toMatchObject({ accountId, keyId: key.id })
    const listed = JSON.stringify(await list(house, token))
    expect(listed).toContain(key.id)
    expect(listed).not.toContain(key.key.split('-')[4])
  })

  it('is listed newest first, page by page', async () => {
    const { house, token } = await signedIn()
    for (const name of ['a', 'b', 'c']) await create(house, token, { name })
    const first = await list(house, token, '?limit=2')
    expect(first.data.map(({ name }) => name)).toEqual(['c', 'b'])
    const rest = await list(house, token, `?limit=2&cursor=${encodeURIComponent(first.nextCursor ?? '')}`)
    expect([rest.data.map(({ name }) => name), rest.nextCursor]).toEqual([['a'], null])
  })

  it('is revoked by its own account alone, and revoking twice is the same', async () => {
    const { house, token } = await signedIn()
    const { id } = CreatedKey.parse(await (await create(house, token, { name: 'k' })).json())
    const { token: stranger } = await house.signIn(aWallet())
    expect(await codeOf(await house.send('DELETE', `/api/keys/${id}`, { token: stranger }))).toBe('not_found')
    const revoked = KeyView.parse(await (await house.send('DELETE', `/api/keys/${id}`, { token })).json())
    expect(revoked.revokedAt).not.toBeNull()
    expect(await (await house.send('DELETE', `/api/keys/${id}`, { token })).json()).toEqual({
      ...revoked,
      wasRevoked: true,
    })
  })

  it.each([
    [{ name: '' }, 'name'],
    [{ name: 'x'.repeat(81) }, 'name'],
    [{ name: 'k', limit: { usd: 1.5 } }, 'limit.usd'],
    [{ name: 'k', limit: { usd: '1.0000000001' } }, 'limit.usd'],
    [{ name: 'k', scopes: ['admin'] }, 'scopes.0'],
    [{ name: 'k', rateLimit: { rpm: 0 } }, 'rateLimit.rpm'],
    [{ name: 'k', expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    [{ name: 'k', balance: '1000' }, 'balance'],
  ])('is not made from %j: the wrong field is named', async (body, param) => {
    const { house, token } = await signedIn()
    const refused = await create(house, token, body)
    expect(refused.status).toBe(400)
    expect(z.object({ error: z.object({ param: z.string() }) }).parse(await refused.json()).error.param).toBe(param)
  })
})

describe('an invented key', () => {
  it('wakes no guard and asks no database', async () => {
    const house = aHouse()
    const invented = `sk-souk-${'0'.repeat(16)}-${'0'.repeat(10)}-${'0'.repeat(32)}-${'0'.repeat(24)}`
    for (const token of [invented, 'sk-souk-nonsense', 'sk-proj-foreign']) {
      const refused = await house.whoami({ token, path: '/v1/key' })
      expect([refused.status, await codeOf(refused)]).toEqual([401, 'invalid_api_key'])
    }
    expect([house.guards.calls(), house.statements()]).toEqual([0, 0])
  })
})

describe('secrets', () => {
  it('appear in no log and no refusal', async () => {
    const said: string[] = []
    const spies = (['log', 'warn', 'error'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation((...args) => void said.push(args.join(' '))),
    )
    const { house, token } = await signedIn()
    const { key } = CreatedKey.parse(await (await create(house, token, { name: 'canary' })).json())
    const tampered = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`
    said.push(await (await house.whoami({ token: tampered, path: '/v1/key' })).text())
    said.push(await (await create(house, token, { name: key.repeat(3) })).text())
    said.push(await (await house.send('POST', '/auth/verify', { body: { message: token, signature: '0xzz' } })).text())
    spies.forEach((spy) => spy.mockRestore())
    for (const secret of [token, key.split('-')[4] ?? key]) expect(said.join('\n')).not.toContain(secret)
  })
})

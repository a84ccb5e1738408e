// Keys that manage: what they may read and make, and what stays the wallet's alone.
import { describe, expect, it } from 'vitest'
import { readApiKey } from '../../../gateway/auth/api-key.ts'
import { mayHandOn, type Breadth } from '../../../gateway/auth/delegate.ts'
import { KeyView } from '../../../protocol/auth.ts'
import { fakeAccounts } from '../../support/workers/fake-accounts.ts'
import { aClock, aHold, aKey } from '../ledger/ledger-house.ts'
import { instant, nanos, newAccountId, newNodeId } from '../../../protocol/units.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { codeOf } from './auth-house.ts'
import { anOwner } from './key-house.ts'

const SOON = '2099-01-01T00:00:00.000Z'
const LATER = '2099-01-01T00:00:00.001Z'
const NODE = newNodeId(systemRandom)

describe('a key that only infers', () => {
  it.each([
    ['GET', '/api/keys'],
    ['POST', '/api/keys'],
    ['GET', '/api/account'],
    ['GET', '/api/account/limits'],
  ])('cannot %s %s', async (method, path) => {
    const { house, key } = await anOwner()
    const { key: token } = await key()
    const body = method === 'POST' ? { body: { name: 'another' } } : {}
    const refused = await house.send(method, path, { token, ...body })
    expect([refused.status, await codeOf(refused)]).toEqual([403, 'scope_missing'])
  })

  it('cannot reroll or revoke keys, not even itself', async () => {
    const { house, key } = await anOwner()
    const { id, key: token } = await key()
    expect(await codeOf(await house.send('POST', `/api/keys/${id}/reroll`, { token, body: {} }))).toBe('scope_missing')
    expect(await codeOf(await house.send('DELETE', `/api/keys/${id}`, { token }))).toBe('scope_missing')
  })
})

describe('a key that manages', () => {
  it('reads the account and its limits, and makes, lists, shows, rerolls and revokes keys that infer', async () => {
    const { house, key } = await anOwner()
    const { key: token } = await key({ scopes: ['manage'] })
    expect((await house.send('GET', '/api/account', { token })).status).toBe(200)
    expect((await house.send('GET', '/api/account/limits', { token })).status).toBe(200)
    const made = await key({ limit: { usd: '1' } }, token)
    expect(made).toMatchObject({ scopes: ['inference'], limit: { usd: '1.000000000' } })
    expect((await house.send('GET', '/api/keys', { token })).status).toBe(200)
    const shown = await house.send('GET', `/api/keys/${made.id}`, { token })
    expect(KeyView.parse(await shown.json())).toMatchObject({ id: made.id, name: 'k' })
    expect((await house.send('POST', `/api/keys/${made.id}/reroll`, { token, body: {} })).status).toBe(200)
    expect((await house.send('DELETE', `/api/keys/${made.id}`, { token })).status).toBe(200)
  })

  it('cannot call a model', async () => {
    const { house, guard, key } = await anOwner()
    const read = readApiKey((await key({ scopes: ['manage'] })).key, house.config.keySecret)
    if (!read) throw new Error('no key of ours')
    const { keyId, secretHash } = read
    const request = aHold({ clock: aClock(), keyId }, 0n, { secretHash })
    expect(await guard.hold(request)).toMatchObject({ ok: false, code: 'scope_missing' })
  })

  it.each([
    ['PUT', '/api/account/limits', {}],
    ['POST', '/api/account/revoke-all', undefined],
    ['POST', '/api/account/wallets', { message: 'm', signature: '0x00' }],
    ['DELETE', '/api/account/wallets/0x0000000000000000000000000000000000000001', undefined],
  ])('cannot %s %s: that is the wallet’s', async (method, path, body) => {
    const { house, key } = await anOwner()
    const { key: token } = await key({ scopes: ['manage'] })
    const refused = await house.send(method, path, { token, ...(body ? { body } : {}) })
    expect([refused.status, await codeOf(refused)]).toEqual([403, 'forbidden'])
  })

  it('ends when it is revoked, at once', async () => {
    const { house, key, token: session } = await anOwner()
    const { id, key: token } = await key({ scopes: ['manage'] })
    await house.send('DELETE', `/api/keys/${id}`, { token: session })
    const refused = await house.send('GET', '/api/keys', { token })
    expect([refused.status, await codeOf(refused)]).toEqual([401, 'api_key_revoked'])
  })

  it('hands on its own end and lists, and says which field is broader', async () => {
    const { create, key } = await anOwner()
    const own = { scopes: ['manage'], models: ['a/b'], nodes: [NODE], expiresAt: SOON }
    const { key: token } = await key(own)
    expect(await key({}, token)).toMatchObject({ models: ['a/b'], nodes: [NODE], expiresAt: SOON })
    const refused = await create({ expiresAt: LATER }, token)
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ error: { code: 'forbidden', param: 'expiresAt' } })
  })

  it('gets no new secret of a key that it could not have made, and always one of its own', async () => {
    const { house, key } = await anOwner()
    const { id, key: token } = await key({ scopes: ['manage'], expiresAt: SOON })
    const endless = await key()
    const reroll = (which: string) =>
      house.send('POST', `/api/keys/${which}/reroll`, { token, body: { graceSeconds: 60 } })
    expect(await codeOf(await reroll(endless.id))).toBe('forbidden')
    expect(await codeOf(await reroll('0000000000'))).toBe('not_found')
    expect((await reroll(id)).status).toBe(200)
  })
})

describe('what a key hands on', () => {
  const account = fakeAccounts().accounts(newAccountId(systemRandom))
  const manager = async (over: Parameters<typeof aKey>[0]) => {
    const reply = await account.createKey(aKey({ scopes: ['manage'], ...over }))
    if (!reply.ok) throw new Error(reply.code)
    return reply.key
  }
  const wanted: Breadth = { scopes: ['inference'], models: null, nodes: null, expiresAt: null }
  const soon = instant(Date.parse(SOON))

  it.each<[Parameters<typeof aKey>[0], Partial<Breadth>, string | null | true]>([
    [{}, {}, true],
    [{}, { scopes: ['manage'] }, 'scopes'],
    [{}, { scopes: ['inference', 'manage'] }, 'scopes'],
    [{ models: ['a/b'] }, {}, 'models'],
    [{ models: ['a/b'] }, { models: ['a/b', 'a/c'] }, 'models'],
    [{ models: ['a/b'] }, { models: ['a/b'] }, true],
    [{ nodes: [NODE] }, {}, 'nodes'],
    [{ nodes: [NODE] }, { nodes: [NODE] }, true],
    [{ expiresAt: soon }, {}, 'expiresAt'],
    [{ expiresAt: soon }, { expiresAt: SOON }, true],
    [{ expiresAt: soon }, { expiresAt: LATER }, 'expiresAt'],
    [{ limit: { nanos: nanos(1n), period: 'day', shadow: false } }, {}, null],
    [{ limit: { nanos: nanos(1n), period: 'day', shadow: true } }, {}, true],
    [{ rpm: 1 }, {}, null],
    [{ tpm: 1 }, {}, null],
    [{ concurrency: 1 }, {}, null],
    [{ rpm: 1, ratesShadow: true }, {}, true],
  ])('of %o, asked for %j: %s', async (own, asked, expected) => {
    const judged = mayHandOn(await manager(own), { ...wanted, ...asked })
    expect(judged.ok || judged.param).toBe(expected)
  })
})

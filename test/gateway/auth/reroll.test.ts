// New secrets for old keys, and the panic button.
import { describe, expect, it } from 'vitest'
import { readApiKey } from '../../../gateway/auth/api-key.ts'
import { CreatedKey, RevokedAll } from '../../../protocol/auth.ts'
import { aClock, aHold } from '../ledger/ledger-house.ts'
import { codeOf } from './auth-house.ts'
import { anOwner } from './key-house.ts'

type Owner = Awaited<ReturnType<typeof anOwner>>

async function reroll({ house, token }: Owner, id: string, body: object = {}) {
  const response = await house.send('POST', `/api/keys/${id}/reroll`, { token, body })
  return { response, rerolled: CreatedKey.parse(await response.clone().json()) }
}

/** What the guard says of a call with this key's text, of an account without money. */
async function callWith({ house, guard }: Owner, text: string): Promise<string> {
  const read = readApiKey(text, house.config.keySecret)
  if (!read) throw new Error('no key of ours')
  const reply = await guard.hold(aHold({ clock: aClock(), keyId: read.keyId }, 1n, { secretHash: read.secretHash }))
  return reply.ok ? 'held' : reply.code
}

describe('a rerolled key', () => {
  it('has a new secret, shown once, under the same id, with all that it may and must', async () => {
    const owner = await anOwner()
    const {
      key: before,
      hint: oldHint,
      ...view
    } = await owner.key({ rateLimit: { rpm: 7 }, models: ['souk/tiny-chat'] })
    const { response, rerolled } = await reroll(owner, view.id)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const { key: after, hint, ...same } = rerolled
    expect(after).not.toBe(before)
    expect(hint).not.toBe(oldHint)
    expect(same).toEqual(view)
    expect(readApiKey(after, owner.house.config.keySecret)).toMatchObject({
      accountId: owner.accountId,
      keyId: view.id,
    })
  })

  it('without a grace is dead under its old secret at once', async () => {
    const owner = await anOwner()
    const { id, key } = await owner.key({ models: ['another/model'] })
    const { rerolled } = await reroll(owner, id)
    expect(rerolled.oldKeyUntil).toBeNull()
    expect(await callWith(owner, key)).toBe('invalid_api_key')
    expect(await callWith(owner, rerolled.key)).toBe('model_not_allowed')
  })

  it('with a grace is good under both, and says until when', async () => {
    const owner = await anOwner()
    const { id, key } = await owner.key({ models: ['another/model'] })
    const { rerolled } = await reroll(owner, id, { graceSeconds: 3_600 })
    expect(Date.parse(rerolled.oldKeyUntil ?? '')).toBeGreaterThan(Date.parse(rerolled.createdAt))
    expect([await callWith(owner, key), await callWith(owner, rerolled.key)]).toEqual([
      'model_not_allowed',
      'model_not_allowed',
    ])
  })

  it.each([[-1], [604_801], [1.5]])('is not given a grace of %f seconds', async (graceSeconds) => {
    const { house, token, key } = await anOwner()
    const { id } = await key()
    const refused = await house.send('POST', `/api/keys/${id}/reroll`, { token, body: { graceSeconds } })
    expect([refused.status, await codeOf(refused)]).toEqual([400, 'invalid_request'])
  })

  it('is of its own account, and not revoked', async () => {
    const [owner, stranger] = [await anOwner(), await anOwner()]
    const { id } = await owner.key()
    const as = (token: string) => owner.house.send('POST', `/api/keys/${id}/reroll`, { token, body: {} })
    expect(await codeOf(await as(stranger.token))).toBe('not_found')
    await owner.house.send('DELETE', `/api/keys/${id}`, { token: owner.token })
    const refused = await as(owner.token)
    expect([refused.status, await codeOf(refused), refused.headers.get('x-should-retry')]).toEqual([
      409,
      'conflict',
      'false',
    ])
  })
})

describe('revoke-all', () => {
  it('ends every key and every session of the account, the one that asked too, and no other account’s', async () => {
    const owner = await anOwner()
    const { house, token, wallet } = owner
    const key = await owner.key()
    await house.send('DELETE', `/api/keys/${(await owner.key()).id}`, { token })
    const { token: second } = await house.signIn(wallet)
    const other = await anOwner()
    const answer = await house.send('POST', '/api/account/revoke-all', { token })
    expect(RevokedAll.parse(await answer.json())).toEqual({ keys: 1, sessions: 2 })
    for (const dead of [token, second])
      expect(await codeOf(await house.send('GET', '/api/account', { token: dead }))).toBe('not_signed_in')
    expect(await callWith(owner, key.key)).toBe('api_key_revoked')
    expect((await other.house.send('GET', '/api/account', { token: other.token })).status).toBe(200)
  })

  it('asks for no fresh sign-in, and a new sign-in begins anew', async () => {
    const { house, token, wallet } = await anOwner()
    house.now = (house.now + 3_600_000) as typeof house.now // a sum of an instant and milliseconds is an instant
    expect((await house.send('POST', '/api/account/revoke-all', { token })).status).toBe(200)
    const again = await house.signIn(wallet)
    const answer = await house.send('POST', '/api/account/revoke-all', { token: again.token })
    expect(RevokedAll.parse(await answer.json())).toEqual({ keys: 0, sessions: 1 })
  })
})

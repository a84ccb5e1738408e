// A guard's refusal as an answer: status, when to come back, which limit; and who may manage an account.
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { GatewayError, toResponse } from '../../../gateway/core/errors.ts'
import { identified, requireManager } from '../../../gateway/core/management.ts'
import type { AppEnv, Principal } from '../../../gateway/core/principal.ts'
import { refusal, type RefusedReply } from '../../../gateway/core/refusal.ts'
import { Secret } from '../../../gateway/core/sealed.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { ERRORS, ErrorBody, type ErrorCode } from '../../../protocol/errors.ts'
import { instant, newAccountId, newKeyId } from '../../../protocol/units.ts'
import { fakeAccounts } from '../../support/workers/fake-accounts.ts'
import { aKey } from '../ledger/ledger-house.ts'

const headersOf = (reply: RefusedReply) => {
  const { 'content-type': _, ...rest } = Object.fromEntries(toResponse(refusal(reply), 'req_1').headers)
  return rest
}
const limit = { name: 'key_requests', limit: '60', remaining: '0' }

describe('a refusal', () => {
  it.each<[RefusedReply, Record<string, string>]>([
    [{ code: 'scope_missing' }, {}],
    [{ code: 'rate_limited', retryAfterMs: 1 }, { 'retry-after': '1' }],
    [{ code: 'rate_limited', retryAfterMs: 0 }, { 'retry-after': '1' }],
    [
      { code: 'rate_limited', retryAfterMs: 1_001, limit },
      {
        'retry-after': '2',
        'x-souk-limit': 'key_requests',
        'x-ratelimit-limit': '60',
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': '2',
      },
    ],
    [
      { code: 'rate_limited', limit },
      { 'x-souk-limit': 'key_requests', 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '0' },
    ],
  ])('%j says %j', (reply, headers) => {
    expect(headersOf(reply)).toEqual(headers)
  })

  it('with status 409, and no other, tells clients not to repeat it', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      // the table's own keys
      const told = new GatewayError(code).status >= 500 ? null : toResponse(new GatewayError(code), 'req_1')
      if (told) expect([code, told.headers.get('x-should-retry')]).toEqual([code, told.status === 409 ? 'false' : null])
    }
  })
})

describe('who manages an account', () => {
  const accountId = newAccountId(systemRandom)
  const of = (keyId = newKeyId(systemRandom), secretHash = 'ab'.repeat(32)): Principal => ({
    kind: 'key',
    accountId,
    keyId,
    secretHash,
    secret: new Secret('s'),
  })
  const session: Principal = {
    kind: 'session',
    member: 'owner',
    accountId,
    address: '0x0000000000000000000000000000000000000001',
    roles: ['consumer'],
    signedInAt: instant(0),
    viaCookie: false,
    secret: new Secret('s'),
  }

  async function ask(principal: Principal | null, guards = fakeAccounts()) {
    const app = new Hono<AppEnv>()
      .use(async (c, next) => {
        c.set('principal', principal)
        await next()
      })
      .get('/', identified, async (c) => c.json(await requireManager(c, guards.accounts)))
    app.onError((error) => toResponse(error, 'req_1'))
    const response = await app.request('/')
    const body: unknown = await response.json()
    return { body, code: response.ok ? 'ok' : ErrorBody.parse(body).error.code, calls: guards.calls() }
  }

  it('is a signed-in wallet, of whom no guard is asked', async () => {
    expect(await ask(session)).toEqual({ body: { accountId, key: null }, code: 'ok', calls: 0 })
  })

  it('is nobody who is not known', async () => {
    expect(await ask(null)).toMatchObject({ code: 'not_signed_in', calls: 0 })
  })

  it.each([
    [['manage'], 'ok'],
    [['inference', 'manage'], 'ok'],
    [['inference'], 'scope_missing'],
  ] as const)('is a key with the scopes %j: %s, by one question to its guard', async (scopes, code) => {
    const guards = fakeAccounts()
    const key = aKey({ scopes })
    await guards.accounts(accountId).createKey(key)
    expect(await ask(of(key.id), guards)).toMatchObject({ code, calls: 2 })
  })

  it('is no key that its guard does not know under this secret', async () => {
    const guards = fakeAccounts()
    const key = aKey({ scopes: ['manage'] })
    await guards.accounts(accountId).createKey(key)
    expect(await ask(of(), guards)).toMatchObject({ code: 'invalid_api_key' })
    expect(await ask(of(key.id, 'cd'.repeat(32)), guards)).toMatchObject({ code: 'invalid_api_key' })
  })
})

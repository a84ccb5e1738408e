import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { toResponse } from '../../../gateway/core/errors.ts'
import { SIGN_IN } from '../../../gateway/core/limits.ts'
import {
  requireAdmin,
  requireKey,
  requireSession,
  type AppEnv,
  type KeyPrincipal,
  type Principal,
  type SessionPrincipal,
} from '../../../gateway/core/principal.ts'
import { newRequestId } from '../../../gateway/core/request-id.ts'
import { Secret } from '../../../gateway/core/sealed.ts'
import { systemClock, systemRandom } from '../../../gateway/core/clock.ts'
import { instant, newAccountId, newKeyId } from '../../../protocol/units.ts'

const NOW = instant(1_800_000_000_000)
const accountId = newAccountId(systemRandom)
const secret = new Secret('canary')
const key: KeyPrincipal = { kind: 'key', accountId, keyId: newKeyId(systemRandom), secretHash: 'a'.repeat(64), secret }
const session = (over: Partial<SessionPrincipal> = {}): SessionPrincipal => ({
  kind: 'session',
  member: 'owner',
  accountId,
  address: `0x${'1'.repeat(40)}`,
  roles: ['consumer'],
  signedInAt: NOW,
  viaCookie: false,
  secret,
  ...over,
})

/** What somebody gets who knocks with this principal. */
async function knock(path: string, principal: Principal | null): Promise<string> {
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('requestId', 'req_1')
      c.set('principal', principal)
      await next()
    })
    .get('/key', (c) => c.json({ error: { code: requireKey(c).kind } }))
    .get('/session', (c) => c.json({ error: { code: requireSession(c).kind } }))
    .get('/admin', (c) => c.json({ error: { code: requireAdmin(c).kind } }))
    .get('/danger', (c) => c.json({ error: { code: requireAdmin(c, NOW).kind } }))
  app.onError((error) => toResponse(error, 'req_1'))
  const response = await app.request(path)
  return `${response.status} ${(await response.json<{ error: { code: string } }>()).error.code}`
}

const admin = session({ roles: ['consumer', 'admin'] })
const aged = (ms: number) => session({ roles: ['admin'], signedInAt: instant(NOW - ms) })

describe('who may pass', () => {
  it.each([
    ['/key', null, '401 missing_api_key'],
    ['/key', session(), '401 missing_api_key'],
    ['/key', key, '200 key'],
    ['/session', null, '401 not_signed_in'],
    ['/session', key, '403 forbidden'],
    ['/session', session(), '200 session'],
    ['/admin', null, '401 not_signed_in'],
    ['/admin', key, '403 forbidden'],
    ['/admin', session(), '403 forbidden'],
    ['/admin', session({ roles: ['operator', 'author'] }), '403 forbidden'],
    ['/admin', admin, '200 session'],
    ['/admin', aged(SIGN_IN.sessionMs), '200 session'],
    ['/danger', session(), '403 forbidden'],
    ['/danger', aged(SIGN_IN.freshMs), '200 session'],
    ['/danger', aged(SIGN_IN.freshMs + 1), '401 fresh_sign_in_required'],
  ])('%s of case %#: %s', async (path, principal, answer) => {
    expect(await knock(path, principal)).toBe(answer)
  })
})

it('gives every request an id of its own', () => {
  const ids = Array.from({ length: 100 }, () => newRequestId(systemRandom))
  expect(new Set(ids).size).toBe(100)
  for (const id of ids) expect(id).toMatch(/^req_[0-9a-hjkmnp-tv-z]{24}$/)
})

it('reads the clock in whole milliseconds', () => {
  expect(Math.abs(systemClock() - Date.now())).toBeLessThan(1_000)
})

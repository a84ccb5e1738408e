// `/auth/*` over real D1: single-use nonces, cookies, sign-out, and accounts that are made once.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { VerifyReply } from '../../../protocol/auth.ts'
import { isAccountId } from '../../../protocol/units.ts'
import { aHouse, aWallet, codeOf, cookieOf, ORIGIN, signed, type House } from './auth-house.ts'

const HOUR = 3_600_000

describe('signing in', () => {
  it('gives a bearer token that says who one is', async () => {
    const house = aHouse()
    const wallet = aWallet()
    const { token, accountId, address, roles, expiresAt } = await house.signIn(wallet)
    expect([address, roles, isAccountId(accountId)]).toEqual([wallet.address, ['consumer'], true])
    expect(Date.parse(expiresAt) - house.now).toBe(12 * HOUR)
    expect(await (await house.whoami({ token })).json()).toEqual({
      kind: 'session',
      member: 'owner',
      accountId,
      address,
      roles: ['consumer'],
      signedInAt: house.now,
      viaCookie: false,
    })
  })

  it('opens the guard of a new account, and again later if that was lost', async () => {
    const house = aHouse()
    const wallet = aWallet()
    const { accountId } = await house.signIn(wallet)
    if (!isAccountId(accountId)) throw new Error('no account id')
    expect(house.guards.of(accountId).isOpen).toBe(true)
    house.guards.of(accountId).isOpen = false
    expect((await house.signIn(wallet)).accountId).toBe(accountId)
    expect(house.guards.of(accountId).isOpen).toBe(true)
  })

  it('leaves one account when a wallet signs in for the first time ten times at once', async () => {
    const house = aHouse()
    const wallet = aWallet()
    const before = await count('accounts')
    const replies = await Promise.all(Array.from({ length: 10 }, () => house.signIn(wallet)))
    expect(new Set(replies.map((reply) => reply.accountId)).size).toBe(1)
    expect((await count('accounts')) - before).toBe(1)
  })

  it('stores neither token nor cookie', async () => {
    const house = aHouse()
    const { nonce, cookie } = await house.nonce()
    const body = await signed(aWallet(), nonce)
    const { token } = VerifyReply.parse(await (await house.send('POST', '/auth/verify', { body, cookie })).json())
    const { results } = await env.DB.prepare('SELECT * FROM sessions').all()
    const { results: nonces } = await env.DB.prepare('SELECT * FROM nonces').all()
    const stored = JSON.stringify([results, nonces])
    expect(stored).not.toContain(token)
    expect(stored).not.toContain(cookie.split('=')[1])
  })

  it('is asked for the local address over http under the local switch only', async () => {
    const local = await aHouse({ isLocal: true }, 'http://127.0.0.1:8787').nonce()
    expect([local.nonce.domain, local.nonce.uri]).toEqual(['127.0.0.1:8787', 'http://127.0.0.1:8787'])
    const remote = await aHouse({}, 'http://souk.example').nonce()
    expect(remote.nonce.uri).toBe('https://souk.example')
    const named = await aHouse({ domain: 'market.example' }).nonce()
    expect([named.nonce.domain, named.nonce.uri]).toEqual(['market.example', 'https://market.example'])
  })

  it('works whatever stale credential the caller brings along', async () => {
    const house = aHouse()
    const { nonce } = await house.nonce()
    const stale = { token: 'x'.repeat(43), cookie: `__Host-souk=${'x'.repeat(43)}` }
    expect((await house.send('POST', '/auth/nonce', stale)).status).toBe(200)
    const body = await signed(aWallet(), nonce)
    expect((await house.send('POST', '/auth/verify', { body, ...stale })).status).toBe(200)
  })
})

describe('a nonce', () => {
  it('is good for one of twenty replays at once', async () => {
    const house = aHouse()
    const body = await signed(aWallet(), (await house.nonce()).nonce)
    const replies = await Promise.all(Array.from({ length: 20 }, () => house.send('POST', '/auth/verify', { body })))
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, ...Array<number>(19).fill(401)])
  })

  it('survives a wrong signature', async () => {
    const house = aHouse()
    const wallet = aWallet()
    const body = await signed(wallet, (await house.nonce()).nonce)
    const { signature } = await signed(aWallet(), (await house.nonce()).nonce)
    const refused = await house.send('POST', '/auth/verify', { body: { ...body, signature } })
    expect([refused.status, await codeOf(refused)]).toEqual([401, 'sign_in_refused'])
    expect((await house.send('POST', '/auth/verify', { body })).status).toBe(200)
  })

  it('lives ten minutes and not a millisecond longer', async () => {
    const house = aHouse()
    const noExpiry = (message: string) => message.replace(/\nExpiration Time.*/, '')
    for (const [waitMs, status] of [
      [599_999, 200],
      [600_000, 401],
    ] as const) {
      const body = await signed(aWallet(), (await house.nonce()).nonce, noExpiry)
      house.now = (house.now + waitMs) as typeof house.now
      expect((await house.send('POST', '/auth/verify', { body })).status).toBe(status)
    }
  })

  it('is swept when it has expired', async () => {
    const house = aHouse()
    await house.nonce()
    house.now = (house.now + 24 * HOUR) as typeof house.now
    await house.nonce()
    const old = await env.DB.prepare('SELECT count(*) AS n FROM nonces WHERE expires_at <= ?')
      .bind(house.now)
      .first('n')
    expect(old).toBe(0)
  })

  it.each([
    ['an unknown nonce', (m: string) => m.replace(/Nonce: .*/, 'Nonce: 0123456789abcdef')],
    ['another domain', (m: string) => m.replace('souk.example wants', 'evil.example wants')],
    ['another URI', (m: string) => m.replace('URI: https://souk.example', 'URI: https://evil.example')],
    ['another chain', (m: string) => m.replace('Chain ID: 8453', 'Chain ID: 1')],
    ['an expiry in the past', (m: string) => m.replace(/Expiration Time: .*/, 'Expiration Time: 2026-11-21T11:59:59Z')],
    ['a beginning in the future', (m: string) => `${m}\nNot Before: 2026-11-21T12:00:01Z`],
    ['an issue time in the future', (m: string) => m.replace(/Issued At: .*/, 'Issued At: 2026-11-21T12:02:00Z')],
    ['no sense at all', () => 'hello'],
  ])('with %s in the message is refused in the same words', async (_, change) => {
    const house = aHouse()
    const body = await signed(aWallet(), (await house.nonce()).nonce, change)
    const response = await house.send('POST', '/auth/verify', { body })
    expect([response.status, await response.json()]).toEqual([
      401,
      {
        error: {
          code: 'sign_in_refused',
          message: 'The sign-in message or its signature was refused.',
          type: 'authentication_error',
          param: null,
          requestId: 'req_test',
        },
      },
    ])
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it.each([
    ['no signature', { message: 'x' }, 'signature'],
    ['a signature that is no hex', { message: 'x', signature: 'zz' }, 'signature'],
    ['a message that is an object', { message: {}, signature: '0x00' }, 'message'],
    ['a message of 4097 characters', { message: 'x'.repeat(4097), signature: '0x00' }, 'message'],
    ['a field too many', { message: 'x', signature: '0x00', admin: true }, 'admin'],
  ])('%s is a malformed request that names the field', async (_, body, param) => {
    const response = await aHouse().send('POST', '/auth/verify', { body })
    expect([response.status, await response.json()]).toMatchObject([400, { error: { param } }])
  })
})

describe('cookies', () => {
  it('are set on https with the __Host- prefix, HttpOnly and SameSite=Lax', async () => {
    const house = aHouse()
    const { nonce, cookie } = await house.nonce()
    expect(cookie).toMatch(/^__Host-souk-pre=[\w-]{43}$/)
    const body = await signed(aWallet(), nonce)
    const response = await house.send('POST', '/auth/verify', { body, cookie, origin: ORIGIN })
    const [session = '', dropped] = response.headers.getSetCookie()
    expect(session).toMatch(/^__Host-souk=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
    expect(dropped).toMatch(/^__Host-souk-pre=; Max-Age=0;/)
  })

  it('are called souk and souk-pre over local http', async () => {
    const house = aHouse({ isLocal: true }, 'http://localhost:8787')
    const { nonce, cookie } = await house.nonce()
    expect(cookie).toMatch(/^souk-pre=/)
    const response = await house.send('POST', '/auth/verify', { body: await signed(aWallet(), nonce), cookie })
    expect(response.headers.getSetCookie()[0]).toMatch(
      /^souk=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Lax$/,
    )
  })

  it.each([
    ['no cookie', async () => ({})],
    [
      'the cookie of another browser',
      async (house: ReturnType<typeof aHouse>) => ({ cookie: (await house.nonce()).cookie }),
    ],
  ])('with %s verify gives a bearer token only', async (_, options) => {
    const house = aHouse()
    const body = await signed(aWallet(), (await house.nonce()).nonce)
    const response = await house.send('POST', '/auth/verify', { body, ...(await options(house)) })
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
    expect(VerifyReply.safeParse(await response.json()).success).toBe(true)
  })

  it('are not set for a page that is not ours', async () => {
    const house = aHouse()
    const { nonce, cookie } = await house.nonce()
    const body = await signed(aWallet(), nonce)
    const response = await house.send('POST', '/auth/verify', { body, cookie, origin: 'https://evil.example' })
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it('count for reading from anywhere, and for changing from our own origin only', async () => {
    const house = aHouse()
    const cookie = await aSessionCookie(house)
    expect(await (await house.whoami({ cookie })).json()).toMatchObject({ kind: 'session', viaCookie: true })
    expect(await (await house.whoami({ cookie, method: 'POST', origin: ORIGIN })).json()).toMatchObject({
      viaCookie: true,
    })
    for (const origin of [undefined, 'null', 'https://evil.example', 'http://souk.example', `${ORIGIN}:8443`]) {
      const response = await house.whoami({ cookie, method: 'POST', ...(origin ? { origin } : {}) })
      expect([origin, response.status, await codeOf(response)]).toEqual([origin, 403, 'forbidden'])
    }
  })

  it('count nowhere on the inference surfaces', async () => {
    const house = aHouse()
    const cookie = await aSessionCookie(house)
    for (const path of ['/v1/chat/completions', '/v2/models/m/infer'])
      expect(await (await house.whoami({ cookie, path, method: 'POST', origin: ORIGIN })).json()).toBeNull()
  })

  it('count for no page and none of its files, which wait for no look at the registry', async () => {
    const house = aHouse()
    const cookie = await aSessionCookie(house)
    const before = house.statements()
    for (const path of ['/', '/admin', '/assets/index-1.js', '/icon.svg', '/healthz', '/apiary', '/auth'])
      expect(await (await house.whoami({ cookie, path })).json(), path).toBeNull()
    expect(house.statements()).toBe(before)
  })

  it('that are stale sign nobody in, and are no error', async () => {
    const response = await aHouse().whoami({ cookie: `__Host-souk=${'x'.repeat(43)}` })
    expect([response.status, await response.json()]).toEqual([200, null])
  })
})

describe('a session', () => {
  it('ends after twelve hours', async () => {
    const house = aHouse()
    const { token } = await house.signIn(aWallet())
    house.now = (house.now + 12 * HOUR - 1) as typeof house.now
    expect((await house.whoami({ token })).status).toBe(200)
    house.now = (house.now + 1) as typeof house.now
    expect(await codeOf(await house.whoami({ token }))).toBe('not_signed_in')
  })

  it('ends when one signs out, and no other one does', async () => {
    const house = aHouse()
    const wallet = aWallet()
    const [ours, other] = [await house.signIn(wallet), await house.signIn(wallet)]
    expect((await house.send('POST', '/auth/sign-out', { token: ours.token })).status).toBe(204)
    const response = await house.whoami({ token: ours.token })
    expect([response.status, await codeOf(response)]).toEqual([401, 'not_signed_in'])
    expect((await house.whoami({ token: other.token })).status).toBe(200)
  })

  it('of a browser ends with its cookie, which is taken back', async () => {
    const house = aHouse()
    const cookie = await aSessionCookie(house)
    const response = await house.send('POST', '/auth/sign-out', { cookie, origin: ORIGIN })
    expect([response.status, response.headers.getSetCookie()[0]]).toEqual([
      204,
      expect.stringMatching(/^__Host-souk=; Max-Age=0/),
    ])
    expect(await (await house.whoami({ cookie })).json()).toBeNull()
  })

  it('is needed to sign out', async () => {
    expect(await codeOf(await aHouse().send('POST', '/auth/sign-out'))).toBe('not_signed_in')
  })

  it('is not had for an invented token', async () => {
    for (const token of ['x'.repeat(43), 'hello', `${'x'.repeat(42)}=`])
      expect(await codeOf(await aHouse().whoami({ token }))).toBe('not_signed_in')
  })
})

describe('a fresh sign-in', () => {
  const address = async (house: House, cookie: string) => {
    const principal: { address: string } | null = await (await house.whoami({ cookie })).json()
    return principal?.address ?? null
  }

  it('ends the session whose place it takes, and no other one of its wallet', async () => {
    const house = aHouse()
    const wallet = aWallet()
    const [ours, elsewhere] = [await aSessionCookie(house, wallet), await aSessionCookie(house, wallet)]
    const program = await house.signIn(wallet)
    const fresh = await aSessionCookie(house, wallet, ours)
    expect(await Promise.all([ours, fresh, elsewhere].map((cookie) => address(house, cookie)))).toEqual([
      ...[null, wallet.address, wallet.address],
    ])
    expect((await house.whoami({ token: program.token })).status).toBe(200)
    const listed: { data: { isThis: boolean }[] } = await (
      await house.send('GET', '/api/account/sessions', { cookie: fresh })
    ).json()
    expect(listed.data.map(({ isThis }) => isThis).sort()).toEqual([false, false, true])
  })

  it('of another wallet ends nothing, not even where both are one account’s', async () => {
    const house = aHouse()
    const [first, second, stranger] = [aWallet(), aWallet(), aWallet()]
    const ours = await aSessionCookie(house, first)
    const body = await signed(second, (await house.nonce()).nonce)
    expect((await house.send('POST', '/api/account/wallets', { body, cookie: ours, origin: ORIGIN })).ok).toBe(true)
    for (const wallet of [second, stranger]) await aSessionCookie(house, wallet, ours)
    expect(await address(house, ours)).toBe(first.address)
  })

  it.each([
    ['by a program, which has no pre-session', false, undefined],
    ['from a page that is not ours', true, 'https://evil.example'],
  ])('%s takes nobody’s place', async (_, isAsking, origin) => {
    const house = aHouse()
    const wallet = aWallet()
    const ours = await aSessionCookie(house, wallet)
    const { nonce, cookie } = await house.nonce()
    const body = await signed(wallet, nonce)
    const sent = { body, cookie: isAsking ? `${cookie}; ${ours}` : ours, ...(origin ? { origin } : {}) }
    const response = await house.send('POST', '/auth/verify', sent)
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
    expect(await address(house, ours)).toBe(wallet.address)
  })

  it('that is refused, or that cannot be written, leaves the session that stands', async () => {
    const house = aHouse()
    const wallet = aWallet()
    const ours = await aSessionCookie(house, wallet)
    const { nonce, cookie } = await house.nonce()
    const { signature } = await signed(aWallet(), nonce)
    const forged = { ...(await signed(wallet, nonce)), signature }
    const jar = `${cookie}; ${ours}`
    expect((await house.send('POST', '/auth/verify', { body: forged, cookie: jar, origin: ORIGIN })).status).toBe(401)
    await env.DB.prepare(
      "CREATE TRIGGER full BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
    ).run()
    const body = await signed(wallet, nonce)
    const broken = await house.send('POST', '/auth/verify', { body, cookie: jar, origin: ORIGIN })
    await env.DB.prepare('DROP TRIGGER full').run()
    expect([broken.status, broken.headers.getSetCookie()]).toEqual([500, []])
    expect(await address(house, ours)).toBe(wallet.address)
  })
})

/** @param before the session that the browser has already */
async function aSessionCookie(house: House, wallet = aWallet(), before?: string): Promise<string> {
  const { nonce, cookie } = await house.nonce()
  const jar = before === undefined ? cookie : `${cookie}; ${before}`
  const sent = { body: await signed(wallet, nonce), cookie: jar, origin: ORIGIN }
  return cookieOf(await house.send('POST', '/auth/verify', sent))
}

async function count(table: 'accounts'): Promise<number> {
  return (await env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>('n')) ?? -1
}

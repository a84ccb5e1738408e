// What a browser can be made to do for somebody else, on the real app and at every route of the router: change something with the cookie it cannot help
// sending, show a page of ours inside another, or go on with a session that was planted in it.
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createApp } from '../../../gateway/app.ts'
import { ORIGIN, aHouse, aWallet, codeOf, cookieOf, signed } from './auth-house.ts'
import { aMatrix, filled, gatedRoutes, HOUSE_ADMIN, spelt, type Route } from './matrix-house.ts'

vi.setConfig({ testTimeout: 120_000 })

const FOREIGN = ['https://evil.example', 'null', 'https://gateway.test.evil.example', 'http://gateway.test']
/** What a page may send elsewhere without asking first (Fetch: CORS-safelisted), besides what our pages send. */
const FORM_TYPES = ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=b', 'text/plain']

let house: Awaited<ReturnType<typeof aMatrix>>
let routes: Route[]
beforeAll(async () => {
  house = await aMatrix()
  routes = gatedRoutes(house.app)
})

/** How the gateway is laid out for a browser is the same whatever asks, so the local switch is off. */
const cookieFor = (token: string) => `__Host-souk=${token}; souk=${token}`
const urlOf = ({ method, path }: Route) => ({ method, path: filled(path, {}) })
const isChanging = ({ method }: Route) => method !== 'GET'
/** Signing in looks at no cookie: a sign-in is bound to the browser by its pre-session (below). */
const SIGNING_IN = ['POST /auth/nonce', 'POST /auth/verify', 'POST /auth/join']

async function rows(): Promise<string> {
  const counts = [
    'accounts',
    'wallets',
    'sessions',
    'nonces',
    'webhooks',
    'invitations',
    'member_changes',
    'nodes',
    'models',
  ]
  const found = await Promise.all(
    counts.map(async (table) => {
      const row = await env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first<{ n: number }>()
      return `${table} ${row?.n}`
    }),
  )
  const open = await env.DB.prepare('SELECT count(*) AS n FROM sessions WHERE revoked_at IS NULL').first<{
    n: number
  }>()
  return [...found, `open ${open?.n}`].join(', ')
}

describe('a cookie', () => {
  it('changes nothing for a page that is not ours, at no route, with no kind of body', async () => {
    const { token } = house.team.owner
    const before = await rows()
    for (const route of routes.filter((known) => isChanging(known) && !SIGNING_IN.includes(spelt(known))))
      for (const origin of [...FOREIGN, null]) {
        const type = FORM_TYPES[FOREIGN.indexOf(origin ?? '')] ?? 'application/json'
        const headers = { cookie: cookieFor(token), 'content-type': type, ...(origin === null ? {} : { origin }) }
        const response = await house.send(null, urlOf(route), { headers, body: '{}' })
        expect([response.status, await codeOf(response)], `${origin} at ${spelt(route)}`).toEqual([403, 'forbidden'])
      }
    expect(await rows()).toBe(before)
  })

  it('changes nothing either when the house’s admin is lured', async () => {
    for (const route of routes.filter((known) => isChanging(known) && known.path.startsWith('/api/admin/'))) {
      const headers = { cookie: cookieFor(house.admin), 'content-type': 'text/plain', origin: FOREIGN[0] ?? '' }
      const response = await house.send(null, urlOf(route), { headers, body: '{}' })
      expect([response.status, await codeOf(response)], spelt(route)).toEqual([403, 'forbidden'])
    }
    expect(HOUSE_ADMIN).toMatch(/^0x/)
  })

  it('is nobody where a key pays: no page can have a call made with it, ours neither', async () => {
    // One spelt with a pattern is another's second spelling.
    const paid = house.app.routes.filter(
      (route) => isChanging(route) && route.method !== 'ALL' && /^\/v\d\/[^*{]*$/.test(route.path),
    )
    expect(paid.length).toBeGreaterThan(3)
    for (const route of paid)
      for (const origin of [FOREIGN[0] ?? '', 'https://gateway.test']) {
        const headers = { cookie: cookieFor(house.team.owner.token), 'content-type': 'application/json', origin }
        const response = await house.send(null, urlOf(route), { headers, body: '{}' })
        await response.body?.cancel()
        expect([401, 403], `${origin} at ${spelt(route)}: ${response.status}`).toContain(response.status)
      }
  })

  it('is let through for our own page', async () => {
    const headers = { cookie: cookieFor(house.team.owner.token), origin: 'https://gateway.test' }
    const response = await house.send(null, { method: 'DELETE', path: '/api/account/payout-address' }, { headers })
    expect(response.status).toBe(200)
  })

  it('cannot be made of a form: signing in takes JSON only', async () => {
    for (const path of ['/auth/verify', '/auth/join'])
      for (const type of FORM_TYPES) {
        const headers = { 'content-type': type, origin: FOREIGN[0] ?? '' }
        const response = await house.send(null, { method: 'POST', path }, { headers, body: '{}' })
        expect(await codeOf(response), `${type} at ${path}`).toBe('unsupported_media_type')
        expect(response.headers.getSetCookie()).toEqual([])
      }
  })

  it('is not shared: no answer with a session’s things lets another origin read it', async () => {
    for (const route of routes.filter((known) => !isChanging(known))) {
      const headers = { cookie: cookieFor(house.team.owner.token), origin: FOREIGN[0] ?? '' }
      const response = await house.send(null, urlOf(route), { headers })
      await response.body?.cancel()
      expect(response.headers.get('access-control-allow-origin'), spelt(route)).toBeNull()
      expect(response.headers.get('access-control-allow-credentials'), spelt(route)).toBeNull()
    }
  })
})

describe('every page and answer', () => {
  const PAGE = '<!doctype html><script src="/assets/x.js"></script><meta property="csp-nonce" nonce="__NONCE__">'
  const assets = { fetch: () => Promise.resolve(new Response(PAGE, { headers: { 'content-type': 'text/html' } })) }

  it('refuses to be framed, and to be taken for something it is not', async () => {
    const app = createApp({ ...house.services, assets: assets as unknown as Fetcher }) // all that a page asks of it
    const pages = [
      '/',
      '/register',
      '/join',
      '/account',
      '/admin',
      '/nothing/here',
      '/healthz',
      '/.well-known/jwks.json',
    ]
    const targets = [
      ...pages.map((path) => ({ method: 'GET', path })),
      ...app.routes.filter(({ path, method }) => !path.includes('*') && method !== 'ALL').map(urlOf),
    ]
    for (const { method, path } of targets) {
      const request = new Request(`https://gateway.test${path}`, {
        method,
        ...(method === 'GET' ? {} : { body: '{}' }),
      })
      const response = await app.fetch(request, env, {
        waitUntil: () => undefined,
        passThroughOnException: () => undefined,
        props: {},
      })
      await response.body?.cancel()
      const at = `${method} ${path}`
      expect(response.headers.get('x-frame-options'), at).toMatch(/^(SAMEORIGIN|DENY)$/)
      expect(response.headers.get('x-content-type-options'), at).toBe('nosniff')
      if (!response.headers.get('content-type')?.startsWith('text/html')) continue
      expect(response.headers.get('content-security-policy'), at).toContain("frame-ancestors 'none'")
      expect(response.headers.get('content-security-policy'), at).not.toMatch(/unsafe-(inline|eval)/)
    }
  })
})

describe('a session that was planted before the sign-in', () => {
  it('is not kept: the sign-in makes a new one, and the planted one is nobody', async () => {
    const gateway = aHouse()
    const planted = 'p'.repeat(43)
    const { nonce, cookie } = await gateway.nonce()
    const wallet = aWallet()
    const response = await gateway.send('POST', '/auth/verify', {
      body: await signed(wallet, nonce),
      cookie: `${cookie}; __Host-souk=${planted}`,
      origin: ORIGIN,
    })
    const made = cookieOf(response)
    expect(response.status).toBe(200)
    expect(made).toMatch(/^__Host-souk=[A-Za-z0-9_-]{43}$/)
    expect(made).not.toContain(planted)
    expect(await (await gateway.whoami({ cookie: `__Host-souk=${planted}` })).json()).toBeNull()
    expect(await (await gateway.whoami({ cookie: made })).json()).toMatchObject({ address: wallet.address })
  })

  it('of the attacker’s own account gives way too, and stays what it was', async () => {
    const gateway = aHouse()
    const attacker = await gateway.signIn(aWallet())
    const { nonce, cookie } = await gateway.nonce()
    const wallet = aWallet()
    const body = await signed(wallet, nonce)
    const response = await gateway.send('POST', '/auth/verify', {
      body,
      cookie: `${cookie}; __Host-souk=${attacker.token}`,
      origin: ORIGIN,
    })
    const { accountId }: { accountId: string } = await response.json()
    expect(accountId).not.toBe(attacker.accountId)
    expect(cookieOf(response)).not.toContain(attacker.token)
    expect(await (await gateway.whoami({ token: attacker.token })).json()).toMatchObject({
      accountId: attacker.accountId,
    })
  })

  it.each(['/auth/verify', '/auth/join'])('is not made by another browser’s pre-session at %s', async (path) => {
    const gateway = aHouse()
    const owner = await gateway.signIn(aWallet())
    const invited = await gateway.send('POST', '/api/account/invitations', {
      token: owner.token,
      body: { role: 'member' },
    })
    const { code }: { code: string } = await invited.json()
    const [asked, other] = [await gateway.nonce(), await gateway.nonce()]
    const body = { ...(path === '/auth/join' ? { code } : {}), ...(await signed(aWallet(), asked.nonce)) }
    const response = await gateway.send('POST', path, { body, cookie: other.cookie, origin: ORIGIN })
    // The program that sent it has its token; the browser that carried it gets nothing.
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, []])
  })
})

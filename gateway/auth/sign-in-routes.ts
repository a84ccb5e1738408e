// `/auth/*`: nonce, verify, sign-out. A program gets a bearer token; a browser gets a cookie too, but only the browser that asked for
// the nonce, so that nobody can be signed in to somebody else's account by a link.
import { drizzle } from 'drizzle-orm/d1'
import { Hono, type Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { VerifyRequest, type NonceReply, type VerifyReply } from '../../protocol/auth.ts'
import { sha256Hex } from '../../protocol/canonical.ts'
import { base32, instant, newAccountId } from '../../protocol/units.ts'
import { SIGN_IN } from '../core/limits.ts'
import { requireSession, type AppEnv } from '../core/principal.ts'
import { jsonBody } from '../core/validate.ts'
import { granted, type AuthNeeds } from './needs.ts'
import { keepNonce } from './nonce-book.ts'
import { proveWallet } from './prove.ts'
import { rolesOf } from './roles.ts'
import { newToken, revokeSession, startSession } from './session-book.ts'
import { siteOf, type Site } from './site.ts'
import { accountOf, readAccount } from './wallet-book.ts'

const STATEMENT = 'Sign in to Souk. This costs nothing and moves no money.'
/** 120 bits */
const NONCE_BYTES = 15

export function createSignInRoutes(needs: AuthNeeds) {
  const { accounts, books, config, clock, random } = needs
  const db = drizzle(needs.db)

  return new Hono<AppEnv>()
    .post('/nonce', async (c) => {
      const site = siteOf(config, c.req.url)
      const now = clock()
      const expiresAt = instant(now + SIGN_IN.nonceMs)
      const nonce = base32(random(NONCE_BYTES))
      const presession = newToken(random)
      await keepNonce(db, { nonce, presessionHash: sha256Hex(presession), expiresAt }, now)
      putCookie(c, site, site.presessionCookie, presession, SIGN_IN.nonceMs)
      const reply: NonceReply = {
        nonce,
        domain: site.domain,
        uri: site.origin,
        chainId: config.chainId,
        statement: STATEMENT,
        issuedAt: new Date(now).toISOString(),
        expirationTime: new Date(expiresAt).toISOString(),
      }
      c.header('cache-control', 'no-store')
      return c.json(reply)
    })
    .post('/verify', jsonBody(VerifyRequest), async (c) => {
      const site = siteOf(config, c.req.url)
      const now = clock()
      const proof = await proveWallet({ db, site, chainId: config.chainId, now }, c.req.valid('json'))
      const { accountId, book } = await accountOf(db, proof.address, newAccountId(random), now, books.length)
      // Harmless when the guard is open already; what repairs an account whose first sign-in broke off here.
      granted(await accounts(accountId).open(accountId, book))
      const token = newToken(random)
      const { expiresAt } = await startSession(db, token, { accountId, address: proof.address, signedInAt: now })
      const account = await readAccount(db, accountId)
      if (isAskingBrowser(c, site, proof.presessionHash)) {
        putCookie(c, site, site.sessionCookie, token, SIGN_IN.sessionMs)
        dropCookie(c, site, site.presessionCookie)
      }
      const reply: VerifyReply = {
        token,
        accountId,
        address: proof.address,
        roles: account ? rolesOf(account.standing, config.admins) : ['consumer'],
        expiresAt: new Date(expiresAt).toISOString(),
      }
      c.header('cache-control', 'no-store')
      return c.json(reply)
    })
    .post('/sign-out', async (c) => {
      const { viaCookie } = requireSession(c)
      const site = siteOf(config, c.req.url)
      const cookie = getCookie(c, site.sessionCookie)
      const token = viaCookie
        ? cookie
        : c.req
            .header('authorization')
            ?.replace(/^Bearer +/i, '')
            .trim()
      if (token) await revokeSession(db, token, clock())
      if (cookie) dropCookie(c, site, site.sessionCookie)
      return c.body(null, 204)
    })
}

/** A page of ours posts with our Origin; a program with a cookie jar sends none. */
function isAskingBrowser(c: Context<AppEnv>, site: Site, presessionHash: string | null): boolean {
  const presession = getCookie(c, site.presessionCookie)
  const origin = c.req.header('origin')
  if (!presession || (origin !== undefined && origin !== site.origin)) return false
  return sha256Hex(presession) === presessionHash
}

function putCookie(c: Context<AppEnv>, site: Site, name: string, value: string, lifeMs: number): void {
  setCookie(c, name, value, {
    httpOnly: true,
    sameSite: 'Lax',
    path: '/',
    secure: site.isSecure,
    maxAge: lifeMs / 1000,
  })
}

function dropCookie(c: Context<AppEnv>, site: Site, name: string): void {
  deleteCookie(c, name, { httpOnly: true, sameSite: 'Lax', path: '/', secure: site.isSecure })
}

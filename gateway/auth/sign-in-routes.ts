// `/auth/*`: nonce, verify, join, sign-out. A program gets a bearer token; a browser gets a cookie too, but only the browser that asked for
// the nonce, so that nobody can be signed in to somebody else's account by a link.
import { drizzle } from 'drizzle-orm/d1'
import { Hono, type Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { VerifyRequest, type NonceReply, type VerifyReply } from '../../protocol/auth.ts'
import { sha256Hex } from '../../protocol/canonical.ts'
import { JoinRequest } from '../../protocol/members.ts'
import { base32, instant, newAccountId, type Instant } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { SIGN_IN } from '../core/limits.ts'
import { requireSession, type AppEnv } from '../core/principal.ts'
import { jsonBody } from '../core/validate.ts'
import { joinByInvitation } from './invitation-book.ts'
import { granted, type AuthNeeds } from './needs.ts'
import { keepNonce } from './nonce-book.ts'
import { isSameWallet, proveWallet, type Proof } from './prove.ts'
import { rolesOf } from './roles.ts'
import { newToken, replaceSession, revokeSession, startSession } from './session-book.ts'
import { siteOf, type Site } from './site.ts'
import { accountOf, readAccount, type OwnedAccount } from './wallet-book.ts'

type OwnedBy = Pick<OwnedAccount, 'accountId' | 'book'>

const STATEMENT = 'Sign in to Souk. This costs nothing and moves no money.'
/** 120 bits */
const NONCE_BYTES = 15

export function createSignInRoutes(needs: AuthNeeds) {
  const { accounts, books, config, clock, random } = needs
  const db = drizzle(needs.db)
  const prove = proveWallet(needs)

  /** A session from here on: its token for whoever asked, its cookie only for the browser that asked for the nonce. */
  const begin = async (c: Context<AppEnv>, owned: OwnedBy, proof: Proof, now: Instant): Promise<VerifyReply> => {
    const { accountId, book } = owned
    const { address, presessionHash } = proof
    const site = siteOf(config, c.req.url)
    // Harmless when the guard is open already; what repairs an account whose first sign-in broke off here.
    granted(await accounts(accountId).open(accountId, book))
    const token = newToken(random)
    const session = { accountId, address, signedInAt: now }
    const { expiresAt } = await startSession(db, token, session)
    const account = await readAccount(db, accountId)
    if (isAskingBrowser(c, site, presessionHash)) {
      // The browser's next cookie takes the place of this one, which nobody could end any more but from a list. Last of all that can fail: until then it stands.
      const before = getCookie(c, site.sessionCookie)
      if (before !== undefined) await replaceSession(db, before, session)
      putCookie(c, site, site.sessionCookie, token, SIGN_IN.sessionMs)
      dropCookie(c, site, site.presessionCookie)
    }
    c.header('cache-control', 'no-store')
    const roles = account ? rolesOf(account.standing, config.admins, address) : (['consumer'] as const)
    return { token, accountId, address, roles: [...roles], expiresAt: new Date(expiresAt).toISOString() }
  }

  return (
    new Hono<AppEnv>()
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
        const now = clock()
        const proof = await prove(c.req.url, c.req.valid('json'), now)
        const owned = await accountOf(db, proof, newAccountId(random), now, books.length)
        if (!isSameWallet(owned, proof)) throw new GatewayError('sign_in_refused', { cause: 'another kind of wallet' })
        return c.json(await begin(c, owned, proof, now))
      })
      // The code is what lets in, and only a wallet that has no account: its own account would have to be given up.
      .post('/join', jsonBody(JoinRequest), async (c) => {
        const now = clock()
        const { code, ...signed } = c.req.valid('json')
        const proof = await prove(c.req.url, signed, now)
        const { address, chainId } = proof
        const joined = await joinByInvitation(db, { address, chainId, codeHash: sha256Hex(code), now })
        if (!joined.ok) throw new GatewayError(joined.code, { detail: WHY_NOT_JOINED[joined.code] })
        return c.json(await begin(c, joined.value, proof, now))
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
  )
}

const WHY_NOT_JOINED = {
  not_found: 'This invitation was used, taken back or has run out.',
  wallet_taken: 'It would have to leave that account first.',
  conflict: 'This account has as many wallets as it may have.',
} as const

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

// `/api/account`: what an account is, its limits, its wallets, and the panic button. Whoever holds a wallet of an account owns its money, so both adding and
// removing one ask for a fresh sign-in: a stolen session alone can neither move in nor lock the owner out.
import { drizzle } from 'drizzle-orm/d1'
import { Hono } from 'hono'
import { getAddress, isAddress } from 'viem'
import { AccountLimitsRequest, VerifyRequest, type AccountView, type RevokedAll } from '../../protocol/auth.ts'
import { toUsd, type Instant } from '../../protocol/units.ts'
import { assert, GatewayError } from '../core/errors.ts'
import { SIGN_IN } from '../core/limits.ts'
import { requireManager } from '../core/management.ts'
import { requireSession, type AppEnv, type SessionPrincipal } from '../core/principal.ts'
import { jsonBody } from '../core/validate.ts'
import { signedIn } from './authenticate.ts'
import { toLimits } from './limit-request.ts'
import { granted, type AuthNeeds } from './needs.ts'
import { proveWallet } from './prove.ts'
import { rolesOf } from './roles.ts'
import { revokeSessions } from './session-book.ts'
import { siteOf } from './site.ts'
import { addWallet, readAccount, removeWallet, type WalletRow } from './wallet-book.ts'

export function createAccountRoutes({ accounts, config, clock, ...needs }: AuthNeeds) {
  const db = drizzle(needs.db)

  return (
    new Hono<AppEnv>()
      .get('/', async (c) => {
        const { accountId } = await requireManager(c, accounts)
        const guard = accounts(accountId)
        const [account, balance, limits, frozen, payoutAddress] = await Promise.all([
          readAccount(db, accountId),
          guard.balance(),
          guard.limits(),
          guard.frozen(),
          needs.payoutAddress(accountId),
        ])
        assert(account, 'a session belongs to an account')
        const view: AccountView = {
          accountId,
          wallets: account.standing.wallets.map(walletView),
          roles: rolesOf(account.standing, config.admins),
          balance: toUsd(balance.availableNanos),
          held: toUsd(balance.heldNanos),
          vesting: toUsd(balance.vestingNanos),
          limits,
          frozen: frozen && { reason: frozen.reason, at: new Date(frozen.at).toISOString() },
          payoutAddress,
          createdAt: new Date(account.createdAt).toISOString(),
        }
        return c.json(view)
      })
      .get('/limits', async (c) => {
        const { accountId } = await requireManager(c, accounts)
        return c.json(await accounts(accountId).limits())
      })
      // The fence around every key, so no key moves it.
      .put('/limits', signedIn, jsonBody(AccountLimitsRequest), async (c) => {
        const { accountId } = requireSession(c)
        return c.json(granted(await accounts(accountId).setLimits(toLimits(c.req.valid('json')))).limits)
      })
      // The panic button: it asks for no fresh sign-in, and takes nothing that its owner cannot make anew. Keys first, for they spend; should
      // the rest fail, the session still stands and may press it again.
      .post('/revoke-all', async (c) => {
        const { accountId } = requireSession(c)
        const { revoked } = await accounts(accountId).revokeAllKeys()
        const revokedAll: RevokedAll = { keys: revoked, sessions: await revokeSessions(db, accountId, clock()) }
        return c.json(revokedAll)
      })
      .post('/wallets', signedIn, jsonBody(VerifyRequest), async (c) => {
        const now = clock()
        const { accountId } = requireFresh(requireSession(c), now)
        const site = siteOf(config, c.req.url)
        const { address } = await proveWallet({ db, site, chainId: config.chainId, now }, c.req.valid('json'))
        const added = await addWallet(db, accountId, address, now)
        if (!added.ok) throw new GatewayError(added.code, added.detail ? { detail: added.detail } : {})
        return c.json(walletView(added.value), 201)
      })
      .delete('/wallets/:address', async (c) => {
        const now = clock()
        const { accountId } = requireFresh(requireSession(c), now)
        const address = c.req.param('address')
        if (!isAddress(address, { strict: false })) throw new GatewayError('not_found')
        const removed = await removeWallet(db, accountId, getAddress(address), now)
        if (!removed.ok) throw new GatewayError(removed.code)
        return c.json(walletView(removed.value))
      })
  )
}

function requireFresh(principal: SessionPrincipal, now: Instant): SessionPrincipal {
  if (now - principal.signedInAt > SIGN_IN.freshMs) throw new GatewayError('fresh_sign_in_required')
  return principal
}

function walletView({ address, addedAt }: WalletRow): AccountView['wallets'][number] {
  return { address, addedAt: new Date(addedAt).toISOString() }
}

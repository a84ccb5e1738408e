// `/api/account`: what an account is, its limits, its wallets, and the panic button. Whoever holds a wallet of an account owns its money, so both adding and
// removing one ask for a fresh sign-in: a stolen session alone can neither move in nor lock the owner out.
import { drizzle } from 'drizzle-orm/d1'
import { Hono } from 'hono'
import { AccountLimitsRequest, VerifyRequest, type AccountView, type RevokedAll } from '../../protocol/auth.ts'
import { toUsd } from '../../protocol/units.ts'
import { assert, GatewayError } from '../core/errors.ts'
import { requireManager } from '../core/management.ts'
import { requireFreshSession, requireSession, type AppEnv } from '../core/principal.ts'
import { jsonBody } from '../core/validate.ts'
import { signedIn } from './authenticate.ts'
import { toLimits } from './limit-request.ts'
import { granted, type AuthNeeds } from './needs.ts'
import { proveWallet } from './prove.ts'
import { rolesOf } from './roles.ts'
import { revokeSessions } from './session-book.ts'
import { addressOf } from './member-routes.ts'
import { requestChange } from './members.ts'
import { addWallet, readAccount, type WalletRow } from './wallet-book.ts'

export function createAccountRoutes({ accounts, config, clock, ...needs }: AuthNeeds) {
  const db = drizzle(needs.db)
  const prove = proveWallet({ ...needs, config })

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
        const me = c.var.principal?.kind === 'session' ? c.var.principal : null
        const view: AccountView = {
          accountId,
          wallets: account.standing.wallets.map(walletView),
          roles: rolesOf(account.standing, config.admins, me?.address ?? null),
          balance: toUsd(balance.availableNanos),
          held: toUsd(balance.heldNanos),
          vesting: toUsd(balance.vestingNanos),
          limits,
          frozen: frozen && { reason: frozen.reason, at: new Date(frozen.at).toISOString() },
          payoutAddress,
          ...(me ? { me: { address: me.address, role: me.member } } : {}),
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
        const { version, ...wanted } = c.req.valid('json')
        return c.json(granted(await accounts(accountId).setLimits(toLimits(wanted), version)).limits)
      })
      // The panic button: it asks for no fresh sign-in, and takes nothing that its owner cannot make anew. Keys first, for they spend; should
      // the rest fail, the session still stands and may press it again.
      .post('/revoke-all', async (c) => {
        const { accountId } = requireSession(c)
        const { revoked } = await accounts(accountId).revokeAllKeys()
        const revokedAll: RevokedAll = { keys: revoked, sessions: await revokeSessions(db, accountId, clock()) }
        return c.json(revokedAll)
      })
      // As what it comes in says member-change.ts: an owner's further wallet is an owner after the delay only.
      .post('/wallets', signedIn, jsonBody(VerifyRequest), async (c) => {
        const now = clock()
        const { accountId, address: by, member } = requireFreshSession(c, now)
        const proof = await prove(c.req.url, c.req.valid('json'), now)
        const wallet = { accountId, address: proof.address, chainId: proof.chainId, now }
        const added = await addWallet(db, { ...wallet, by: { address: by, role: member } })
        if (!added.ok) throw new GatewayError(added.code, added.detail ? { detail: added.detail } : {})
        return c.json(walletView(added.value), 201)
      })
      // 202: it is an owner's, and goes after the delay.
      .delete('/wallets/:address', async (c) => {
        const now = clock()
        const { accountId, address: by } = requireFreshSession(c, now)
        const address = addressOf(c.req.param('address'))
        const account = await readAccount(db, accountId)
        const wallet = account?.standing.wallets.find((owned) => owned.address === address)
        if (!wallet) throw new GatewayError('not_found')
        const outcome = await requestChange(db, { accountId, by, address, role: null, version: null, now })
        return c.json(walletView(wallet), outcome === 'waiting' ? 202 : 200)
      })
  )
}

function walletView({ address, addedAt }: WalletRow): AccountView['wallets'][number] {
  return { address, addedAt: new Date(addedAt).toISOString() }
}

// `/api/account/payout-address`: where withdrawals go, apart from the wallets that sign in. A stolen session could lead money away, so a change asks
// for a fresh sign-in, is told at once, holds only after two days, and until then any wallet of the account takes it back, without a fresh sign-in.
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { PayoutAddressRequest, PayoutAddressTakeBack } from '../../../protocol/operator.ts'
import { instant, type AccountId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { SIGN_IN } from '../../core/limits.ts'
import { identified, requireManager } from '../../core/management.ts'
import { requireSession, type AppEnv, type SessionPrincipal } from '../../core/principal.ts'
import { jsonBody, queryString } from '../../core/validate.ts'
import type { Accounts } from '../account-port.ts'
import { LEDGER } from '../limits/limits.ts'
import { payoutAddress, type PayoutChange } from './payout-address.ts'
import { createPayoutAddressBook } from './payout-address-book.ts'

export interface PayoutAddressNeeds {
  /** the registry */
  readonly db: D1Database
  readonly accounts: Accounts
  readonly clock: Clock
}

/** Requests of one account in one millisecond: each try takes the next one. */
const TRIES = 5
const DAY_MS = 86_400_000

export function createPayoutAddressRoutes({ db, accounts, clock }: PayoutAddressNeeds) {
  const book = createPayoutAddressBook(db, clock)

  const requireFresh = (c: Context<AppEnv>): SessionPrincipal => {
    const principal = requireSession(c)
    if (clock() - principal.signedInAt > SIGN_IN.freshMs) throw new GatewayError('fresh_sign_in_required')
    return principal
  }
  /** Who is asking is settled before a body is read. */
  const fresh: MiddlewareHandler<AppEnv> = async (c, next) => {
    requireFresh(c)
    await next()
  }

  const change = async (accountId: AccountId, address: string, by: string, seen: Seen): Promise<void> => {
    for (let tries = 1; ; tries++) {
      const now = clock()
      const { inForce, pending } = await book.stand(accountId)
      // Asked for already: the same request again neither begins its two days anew nor tells anybody twice.
      if (pending?.address === address) return
      if (isOther(pending, seen)) throw new GatewayError('changed_meanwhile')
      // What holds is to go on holding.
      if (inForce?.address === address) return void (await book.cancel(accountId, by, now))
      const today = await book.lately(accountId, now)
      if (today.length >= LEDGER.payoutAddressesPerDay) throw tooMany((today[0] ?? now) + DAY_MS - now)
      try {
        return await book.ask(accountId, address, by, instant(Math.max(now, (today.at(-1) ?? 0) + 1)), pending)
      } catch (error) {
        // Another request of this account came between: what it wrote is read again.
        if (tries === TRIES) throw error
      }
    }
  }

  return new Hono<AppEnv>()
    .get('/account/payout-address', identified, async (c) => {
      const { accountId } = await requireManager(c, accounts)
      return c.json(await book.view(accountId))
    })
    .put('/account/payout-address', fresh, jsonBody(PayoutAddressRequest), async (c) => {
      const { accountId, address: by } = requireFresh(c)
      const { pending, ...wanted } = c.req.valid('json')
      const judged = payoutAddress(wanted.address)
      if (!judged.ok) throw new GatewayError(judged.code, { param: 'address', detail: judged.detail })
      await change(accountId, judged.value, by, pending)
      return c.json(await book.view(accountId))
    })
    .delete('/account/payout-address', signedIn, queryString(PayoutAddressTakeBack), async (c) => {
      const { accountId, address } = requireSession(c)
      const { pending: seen } = c.req.valid('query')
      const isTaken = await book.cancel(accountId, address, clock(), seen === undefined ? null : Date.parse(seen))
      if (!isTaken && seen !== undefined) throw new GatewayError('changed_meanwhile')
      return c.json(await book.view(accountId))
    })
}

/** `requestedAt` of the change that waited when somebody looked; null: none did; undefined: whichever waits */
type Seen = string | null | undefined
const isOther = (pending: PayoutChange | null, seen: Seen): boolean =>
  seen !== undefined && (pending?.requestedAt ?? null) !== (seen === null ? null : Date.parse(seen))

const signedIn: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c)
  await next()
}

const tooMany = (waitMs: number) =>
  new GatewayError('rate_limited', {
    detail: `A pay-out address is changed at most ${LEDGER.payoutAddressesPerDay} times a day.`,
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
  })

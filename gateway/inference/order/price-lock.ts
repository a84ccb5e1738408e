// Price locks: prices that a quote named, signed by the gateway's own key, good for one account and two minutes. Nothing is kept of them, so
// whoever has one may use it for as many calls as it likes until it ends: it fixes prices and reserves nothing. Operators who raise a price
// are paid the old one for as long as a ticket or a lock still names it.
import { z } from 'zod'
import { importPublicKey } from '../../../protocol/keys.ts'
import { verifyClaims } from '../../../protocol/ticket.ts'
import { instant, nanos, type AccountId, type Instant } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import type { GatewayKey } from '../../core/gateway-key.ts'
import type { KeyPrincipal } from '../../core/principal.ts'
import { lockedOffer, type LockedOffer } from './locked-offer.ts'
import type { OrderDraft } from './order.ts'

export const PRICE_LOCK = {
  /** s: long enough to look at a quote and to call, short enough for who changes a price */
  seconds: 120,
  /** offers it names at most: `provider.price_lock` has room for so many with the longest names */
  offers: 32,
} as const

const TYP = 'souk-price-lock'

const Amount = z.string().regex(/^\d{1,16}$/)
/** nanos: input, output, cached input and bytes per million, and per call */
const Prices = z.tuple([Amount, Amount, Amount, Amount, Amount])

export const PriceLockClaims = z.strictObject({
  account: z.string(),
  /** s */
  iat: z.number().int(),
  exp: z.number().int(),
  offers: z
    .array(
      z.strictObject({
        node: z.string(),
        model: z.string(),
        prices: Prices,
        version: z.number().int(),
      }),
    )
    .min(1)
    .max(PRICE_LOCK.offers),
})
export type PriceLockClaims = z.infer<typeof PriceLockClaims>

export interface PriceLocks {
  /** @param offers at most PRICE_LOCK.offers */
  issue(
    account: AccountId,
    offers: readonly LockedOffer[],
    now: Instant,
  ): Promise<{ readonly lock: string; readonly expiresAt: Instant }>
  /** @throws GatewayError invalid_request for what is no lock of this gateway for this account; price_lock_expired */
  open(lock: string, account: AccountId, now: Instant): Promise<readonly LockedOffer[]>
}

export function createPriceLocks(key: GatewayKey): PriceLocks {
  const resolveKey = async (kid: string) => {
    const own = key.jwks.keys.find((jwk) => jwk.kid === kid)
    return own ? importPublicKey(own.x) : null
  }
  return {
    async issue(account, offers, now) {
      const iat = Math.floor(now / 1_000)
      const exp = iat + PRICE_LOCK.seconds
      const claims: PriceLockClaims = { account, iat, exp, offers: offers.map(claimed) }
      return { lock: await key.attest(TYP, claims), expiresAt: instant(exp * 1_000) }
    },
    async open(lock, account, now) {
      const verified = await verifyClaims(lock, TYP, PriceLockClaims, resolveKey)
      if (!verified.ok) throw refused('It is no price lock of this gateway: ask POST /v1/quote for one.')
      const { account: owner, exp, offers } = verified.value
      if (owner !== account) throw refused('This price lock was made for another account.')
      if (exp * 1_000 <= now) throw new GatewayError('price_lock_expired', { param: PARAM })
      return offers.map(opened)
    },
  }
}

/** The draft with the prices its caller was promised, if any: offers that the lock does not name are left out, so that the quoted cost holds. */
export async function withPriceLock(
  locks: PriceLocks,
  { accountId }: Pick<KeyPrincipal, 'accountId'>,
  draft: OrderDraft,
  now: Instant,
): Promise<OrderDraft> {
  const lock = draft.preferences?.price_lock
  if (lock === undefined) return draft
  const locked = await locks.open(lock, accountId, now)
  return { ...draft, repriced: (offer) => lockedOffer(offer, locked) }
}

const PARAM = 'provider.price_lock'
const refused = (detail: string) => new GatewayError('invalid_request', { param: PARAM, detail })

function claimed({ nodeId, modelId, price, priceVersion }: LockedOffer): PriceLockClaims['offers'][number] {
  const { inputPerMillion, outputPerMillion, cachedInputPerMillion, bytesPerMillion, perCall } = price
  const prices = [inputPerMillion, outputPerMillion, cachedInputPerMillion, bytesPerMillion, perCall].map(String)
  return { node: nodeId, model: modelId, prices: Prices.parse(prices), version: priceVersion }
}

function opened({ node, model, prices, version }: PriceLockClaims['offers'][number]): LockedOffer {
  const [input, output, cachedInput, bytes, perCall] = prices
  const amount = (digits: string) => nanos(BigInt(digits))
  return {
    nodeId: node,
    modelId: model,
    price: {
      inputPerMillion: amount(input),
      outputPerMillion: amount(output),
      cachedInputPerMillion: amount(cachedInput),
      bytesPerMillion: amount(bytes),
      perCall: amount(perCall),
    },
    priceVersion: version,
  }
}

// Prices as they are typed into the form of an offer: what of them may be sent, and what to say of the rest before it is. The gateway refuses by the same bound.
import { OfferPrices } from '../../../protocol/node.ts'
import { isPriceTooHigh, priceMaxUsd } from '../../../protocol/price.ts'
import { PRICE_KINDS, type PriceKind } from './price-kinds.ts'

export type PriceFields = Readonly<Record<PriceKind, string>>

export interface PriceDraft {
  /** null: not all of it may be sent */
  readonly prices: OfferPrices | null
  /** what to say at the fields that are wrong */
  readonly wrong: Readonly<Partial<Record<PriceKind, string>>>
}

/** @example readPriceDraft({ ...fields, perCall: '11' }).wrong.perCall // 'At most $10' */
export function readPriceDraft(fields: PriceFields): PriceDraft {
  const parsed = OfferPrices.safeParse(fields)
  const malformed = new Set(parsed.success ? [] : parsed.error.issues.map(({ path }) => path[0]))
  const wrong: Partial<Record<PriceKind, string>> = {}
  for (const [kind] of PRICE_KINDS)
    if (malformed.has(kind)) wrong[kind] = 'Dollars such as 0.06, with at most nine decimal places'
    else if (isPriceTooHigh(kind, fields[kind])) wrong[kind] = priceMaxWords(kind)
  return { prices: parsed.success && Object.keys(wrong).length === 0 ? parsed.data : null, wrong }
}

/** @example priceMaxWords('inputPerMillion') // 'At most $1,000' */
export const priceMaxWords = (kind: PriceKind): string =>
  `At most $${priceMaxUsd(kind).replace(/\B(?=(\d{3})+$)/g, ',')}`

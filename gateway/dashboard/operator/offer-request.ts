// Offers as the gateway is told them, made of those it shows. All are told at once and what is absent is paused, so that a change of one names the others as well.
import type { OfferPrices, OfferRequest, OfferView } from '../../../protocol/node.ts'

/** @example plainUsd('0.060000000') // '0.06' */
export const plainUsd = (usd: string): string => (usd.includes('.') ? usd.replace(/0+$/, '').replace(/\.$/, '') : usd)

export interface OfferChange {
  readonly model: string
  /** absent: as they are */
  readonly prices?: OfferPrices
  /** false: taken out; true: offered, again or still */
  readonly isOffered: boolean
  /** `offersTag` of the node as it was looked at */
  readonly seen: string | undefined
}

/** What is to be told after a change of one offer; what is paused stays so. */
export function offersAfter(offers: readonly OfferView[], change: Omit<OfferChange, 'seen'>): OfferRequest[] {
  return offers.flatMap((offer) => {
    const isChanged = offer.model === change.model
    const isOffered = isChanged ? change.isOffered : offer.state !== 'paused'
    return isOffered ? [toRequest(offer, isChanged ? change.prices : undefined)] : []
  })
}

function toRequest(offer: OfferView, prices?: OfferPrices): OfferRequest {
  const { model, digest, contextTokens, outputTokensMax, concurrencyMax } = offer
  return {
    ...{ model, digest, contextTokens, outputTokensMax, concurrencyMax, prices: prices ?? offer.prices },
    ...(offer.assurance === undefined ? {} : { assurance: offer.assurance }),
    ...(offer.parameters ? { parameters: offer.parameters } : {}),
    ...(offer.continues === undefined ? {} : { continues: offer.continues }),
    ...(typeof offer.collectsData === 'boolean' ? { collectsData: offer.collectsData } : {}),
  }
}

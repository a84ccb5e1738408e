// What a price lock changes of a call (rule): only offers that it names may serve it, each at the price it names or at today's where no part of
// that is higher. A mix of both prices was never anybody's offer, and a charge must be computed again from the version it names.
import type { Price } from '../../../protocol/price.ts'
import type { Offer } from '../../market/market-port.ts'

export interface LockedOffer {
  readonly nodeId: string
  readonly modelId: string
  readonly price: Price
  readonly priceVersion: number
}

/** Null when the lock does not name it. */
export function lockedOffer(offer: Offer, locked: readonly LockedOffer[]): Offer | null {
  const named = locked.find(({ nodeId, modelId }) => nodeId === offer.nodeId && modelId === offer.modelId)
  if (!named) return null
  if (isNowhereHigher(offer.price, named.price)) return offer
  return { ...offer, price: named.price, priceVersion: named.priceVersion }
}

const isNowhereHigher = (today: Price, locked: Price): boolean =>
  today.inputPerMillion <= locked.inputPerMillion &&
  today.outputPerMillion <= locked.outputPerMillion &&
  today.cachedInputPerMillion <= locked.cachedInputPerMillion &&
  today.bytesPerMillion <= locked.bytesPerMillion &&
  today.perCall <= locked.perCall

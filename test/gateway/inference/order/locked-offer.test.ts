import { describe, expect, it } from 'vitest'
import { lockedOffer, type LockedOffer } from '../../../../gateway/inference/order/locked-offer.ts'
import type { Price } from '../../../../protocol/price.ts'
import { nanos } from '../../../../protocol/units.ts'
import { anOffer, aPrice } from '../../../support/workers/builders.ts'

const PARTS = ['inputPerMillion', 'outputPerMillion', 'cachedInputPerMillion', 'bytesPerMillion', 'perCall'] as const
const all = (value: bigint): Price => aPrice(Object.fromEntries(PARTS.map((part) => [part, nanos(value)]))) // every part of a price
const lock = (over: Partial<LockedOffer> = {}): LockedOffer => ({
  nodeId: anOffer().nodeId,
  modelId: anOffer().modelId,
  price: all(5n),
  priceVersion: 3,
  ...over,
})

describe('an offer under a price lock', () => {
  it.each<[string, Price, Price, number]>([
    ['keeps its price of today when that is the same', all(5n), all(5n), 9],
    ['keeps its price of today when that is lower', all(4n), all(4n), 9],
    ['has the locked price when today is dearer', all(6n), all(5n), 3],
    ...PARTS.map((part): [string, Price, Price, number] => [
      `has the locked price when ${part} alone is dearer today`,
      { ...all(1n), [part]: nanos(6n) },
      all(5n),
      3,
    ]),
  ])('%s', (_, today, price, priceVersion) => {
    const offer = lockedOffer(anOffer({ price: today, priceVersion: 9 }), [lock()])
    expect(offer).toMatchObject({ price, priceVersion })
  })

  it('is left out when the lock does not name its node for this model', () => {
    expect(lockedOffer(anOffer(), [])).toBeNull()
    expect(lockedOffer(anOffer(), [lock({ nodeId: 'node_other' })])).toBeNull()
    expect(lockedOffer(anOffer(), [lock({ modelId: 'test/other' })])).toBeNull()
  })
})

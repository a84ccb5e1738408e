import { describe, expect, it } from 'vitest'
import { priceRange, toPricesView } from '../../../../gateway/market/offers/price-range.ts'
import { shareOf, tooDear } from '../../../../gateway/market/offers/price-standing.ts'
import { fromUsd, instant, nanos, type NodeId } from '../../../../protocol/units.ts'
import { anOffer } from '../builders.ts'

const price = (usd: string) => anOffer({ usd }).price
const range = (...usd: string[]) => {
  const { offers, low, median, high } = priceRange('maker/chat', usd.map(price))
  return [offers, low?.inputPerMillion, median?.inputPerMillion, high?.inputPerMillion]
}

describe('the range of a model’s prices', () => {
  it.each<[string[], unknown[]]>([
    [[], [0, undefined, undefined, undefined]],
    [['3'], [1, '3.000000000', '3.000000000', '3.000000000']],
    [
      ['11', '1'],
      [2, '1.000000000', '6.000000000', '11.000000000'],
    ],
    [
      ['10', '9', '100'],
      [3, '9.000000000', '10.000000000', '100.000000000'],
    ],
    [
      ['10', '2', '1', '11'],
      [4, '1.000000000', '6.000000000', '11.000000000'],
    ],
    [
      ['0.000000001', '0.000000002'],
      [2, '0.000000001', '0.000000001', '0.000000002'],
    ],
  ])('of %j', (usd, expected) => {
    expect(range(...usd)).toEqual(expected)
  })

  it('is of each kind of price for itself', () => {
    const [cheapIn, cheapOut] = [price('1'), price('1')]
    const { low, high } = priceRange('maker/chat', [
      { ...cheapIn, outputPerMillion: fromUsd('9') },
      { ...cheapOut, inputPerMillion: fromUsd('7'), perCall: nanos(1n) },
    ])
    expect(low).toMatchObject({
      inputPerMillion: '1.000000000',
      outputPerMillion: '1.000000000',
      perCall: '0.000000000',
    })
    expect(high).toMatchObject({
      inputPerMillion: '7.000000000',
      outputPerMillion: '9.000000000',
      perCall: '0.000000001',
    })
  })

  it('says prices in decimal dollars', () => {
    expect(toPricesView({ ...price('0.5'), bytesPerMillion: nanos(1n) })).toEqual({
      inputPerMillion: '0.500000000',
      outputPerMillion: '0.500000000',
      cachedInputPerMillion: '0.000000000',
      bytesPerMillion: '0.000000001',
      perCall: '0.000000000',
    })
  })
})

const NOW = instant(0)
const own = (usd: string, over = {}) => anOffer({ usd, ...over })
const rival = (usd: string, over = {}) => anOffer({ nodeId: 'node_bbbbbbbbbbbbbbbb' as NodeId, usd, ...over })

describe('a price is too dear', () => {
  it.each([
    ['20', '10', false],
    ['20.000000001', '10', true],
    ['1', '10', false],
    ['0.002', '0.001', false],
    ['0.0021', '0.001', true],
    // Below the price floor cheaper does not win more, so nobody is kept away by it.
    ['0.0021', '0.0009', false],
    ['20', '0', false],
  ])('%s dollars against %s: %s', (mine, theirs, isDear) => {
    expect(tooDear(own(mine), [rival(theirs)], 'chat', NOW) !== null).toBe(isDear)
  })

  it('not without a rival, nor beside one that nobody is sent to', () => {
    expect(tooDear(own('100'), [], 'chat', NOW)).toBeNull()
    const [broken, full] = [rival('1', { breaker: 'open', breakerUntil: instant(1) }), rival('1', { inFlight: 4 })]
    expect(tooDear(own('100'), [broken], 'chat', NOW)).toBeNull()
    expect(tooDear(own('100'), [full], 'chat', NOW)).toBeNull()
  })

  it('for some calls alone: which, and what they cost here and there', () => {
    const price = { ...own('1').price, inputPerMillion: fromUsd('4') }
    expect(tooDear(own('1', { price }), [rival('1')], 'chat', NOW)).toEqual({
      words: '1,000 tokens in and 500 out',
      here: '0.0045',
      cheapest: '0.0015',
      capTimes: 2,
    })
    const output = { ...own('1').price, outputPerMillion: fromUsd('3') }
    expect(tooDear(own('1', { price: output }), [rival('1')], 'chat', NOW)?.words).toBe('100 tokens in and 1,000 out')
  })

  it('whatever its own health and places are', () => {
    const down = { breaker: 'open', breakerUntil: instant(1), inFlight: 4 }
    expect(tooDear(own('30', down), [rival('10')], 'chat', NOW)).not.toBeNull()
  })

  it('in bytes, where a model is paid by them', () => {
    const perByte = (usd: string, id = 'node_aaaaaaaaaaaaaaaa') =>
      anOffer({ nodeId: id as NodeId, price: { ...price('0'), bytesPerMillion: fromUsd(usd) } }) // of an id's form
    const dear = tooDear(perByte('0.3'), [perByte('0.1', 'node_bbbbbbbbbbbbbbbb')], 'tensors', NOW)
    expect(dear?.words).toBe('1,000,000 bytes of tensors')
  })
})

it.each([
  ['10', '10', 0.5],
  ['10', '20', 0.8],
  ['20', '10', 0.2],
  ['21', '10', 0],
  ['10', '0', 0.5],
  ['0', '10', 0.5],
])('at %s dollars against %s the share is about %d', (mine, theirs, share) => {
  expect(shareOf(own(mine), [rival(theirs)], 'chat', NOW)).toBeCloseTo(share, 1)
})

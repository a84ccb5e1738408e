// Laws of the choice over markets nobody thought of: what may never be asked, what nobody can gain, and that the fast choice is the one anybody would write down.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rank, type RankInput } from '../../../../gateway/market/choose/choose.ts'
import { CHOOSE } from '../../../../gateway/market/choose/policy.ts'
import type { LocalJudgement, Offer } from '../../../../gateway/market/market-port.ts'
import { costOf } from '../../../../protocol/price.ts'
import { instant, nanos, tokens, type NodeId } from '../../../../protocol/units.ts'
import { rankNaively } from '../../../bench/choose-naive.ts'
import { anOffer } from '../builders.ts'

const NOW = instant(1_000_000)
const input: RankInput = { seed: 'seed', now: NOW, estimate: { inputTokens: tokens(1_000), outputTokens: tokens(500) } }
const idOf = (n: number) => `node_${String(n).padStart(16, '0')}` as NodeId // of an id's form
const seeds = fc.string({ minLength: 1, maxLength: 8 })

const aPrice = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }), fc.constant(1_000_000))
const anyOffer = fc.record({
  price: fc.record({ input: aPrice, output: aPrice, call: fc.constantFrom(0, 0, 0, 7) }),
  success: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  firstTokenMs: fc.option(fc.nat({ max: 5_000 })),
  unitsPerSecond: fc.option(fc.integer({ min: 1, max: 500 })),
  busyShare: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  trust: fc.constantFrom(1, 1, 1, 0.5, 0.49, 0),
  nodeState: fc.constantFrom('active', 'active', 'probation'),
  breaker: fc.constantFrom('closed', 'closed', 'closed', 'open', 'half_open'),
  breakerUntil: fc.constantFrom(null, instant(NOW - 1), NOW, instant(NOW + 1)),
  inFlight: fc.nat({ max: 4 }),
  contextTokens: fc.constantFrom(4_096, 4_096, 100),
})
type Any = typeof anyOffer extends fc.Arbitrary<infer T> ? T : never
const offerOf = ({ price, ...over }: Any, n: number): Offer =>
  anOffer({
    ...over,
    nodeId: idOf(n),
    price: {
      ...anOffer().price,
      inputPerMillion: nanos(BigInt(price.input) * 1_000_000_000n),
      outputPerMillion: nanos(BigInt(price.output) * 1_000_000_000n),
      perCall: nanos(BigInt(price.call)),
    },
    breakerUntil: over.breaker === 'open' ? over.breakerUntil : null,
  })
const markets = (max = 12) => fc.array(anyOffer, { minLength: 1, maxLength: max }).map((all) => all.map(offerOf))
/** Known, unbroken, free: what is left are prices, speed and success. */
const fine = (offers: readonly Offer[]): Offer[] =>
  offers.map((offer) => ({ ...offer, breaker: 'closed', breakerUntil: null, inFlight: 0, contextTokens: 4_096 }))
const aJudgement = fc.record<LocalJudgement>({
  inFlight: fc.nat({ max: 4 }),
  brokenUntil: fc.constantFrom(null, NOW, instant(NOW + 1)),
  busyUntil: fc.constantFrom(null, null, NOW, instant(NOW + 1)),
})
const locals = fc
  .array(fc.tuple(fc.nat({ max: 14 }), aJudgement), { maxLength: 4 })
  .map((all) => new Map(all.map(([n, judgement]) => [idOf(n), judgement])))

const sharesOf = (offers: readonly Offer[], over: Partial<RankInput> = {}): Map<NodeId, number> =>
  new Map(rank(offers, { ...input, ...over }).explanation.candidates.map(({ nodeId, share }) => [nodeId, share]))
const isFull = ({ inFlight, inFlightCap }: Offer) => inFlight >= inFlightCap
const isBroken = ({ breaker, breakerUntil, inFlight }: Offer) =>
  breaker !== 'closed' && (inFlight > 0 || (breaker === 'open' && (breakerUntil === null || breakerUntil > NOW)))
const costAt = (offer: Offer) => Number(costOf(input.estimate, offer.price))
const FLOOR = 1_500

describe('the choice', () => {
  it('is the one anybody would write down', () => {
    fc.assert(
      fc.property(markets(), locals, seeds, fc.constantFrom(0, 101), (offers, local, seed, needsTokens) => {
        const given = { ...input, local, seed, needsTokens }
        const [ours, naive] = [rank(offers, given), rankNaively(offers, given)]
        expect(ours.order).toEqual(naive.order)
        for (const { nodeId, share, weight } of ours.explanation.candidates) {
          expect(share).toBeCloseTo(naive.shares.get(nodeId) ?? 0, 9)
          expect(weight).toBeCloseTo(naive.weights.get(nodeId) ?? 0, 9)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('does not depend on the order of the offers, and names each node once', () => {
    fc.assert(
      fc.property(markets(), seeds, fc.nat(), (offers, seed, turn) => {
        const turned = [...offers.slice(turn % offers.length), ...offers.slice(0, turn % offers.length)].reverse()
        const ranking = rank(offers, { ...input, seed })
        expect(rank(turned, { ...input, seed })).toEqual(ranking)
        expect(new Set(ranking.order).size).toBe(ranking.order.length)
        expect(ranking.order.length).toBe(Math.min(4, offers.filter((_, n) => sharesOf(offers).get(idOf(n))).length))
      }),
    )
  })

  it('asks nobody above the ceiling, no full one, and a broken one only where more than half are', () => {
    fc.assert(
      fc.property(markets(), seeds, fc.nat({ max: 14 }), (offers, seed, depth) => {
        const { order, explanation } = rank(offers, { ...input, seed, depth })
        const fitting = offers.filter((offer) => !isFull(offer))
        const broken = fitting.filter(isBroken)
        const isPanic = broken.length * 2 > fitting.length
        const heeded = isPanic ? fitting : fitting.filter((offer) => !isBroken(offer))
        const cheapest = Math.min(...heeded.map(costAt).filter((cost) => cost >= FLOOR))
        const asked = order.map((id) => offers.find(({ nodeId }) => nodeId === id) ?? anOffer())
        for (const offer of asked) {
          expect(isFull(offer)).toBe(false)
          expect(costAt(offer)).toBeLessThanOrEqual(CHOOSE.priceCap * (cheapest === Infinity ? FLOOR : cheapest))
          if (!isPanic) expect(isBroken(offer)).toBe(false)
        }
        expect(explanation.panic).toBe(isPanic)
        // The last one is never left out.
        expect(order.length > 0).toBe(fitting.length > 0 && depth > 0)
      }),
      { numRuns: 500 },
    )
  })

  it('explores only among those at most 1.25 times the cheapest whom audits trust', () => {
    let explored = 0
    fc.assert(
      fc.property(markets(), fc.nat({ max: 1e6 }), (offers, seed) => {
        const { order, explanation } = rank(offers, { ...input, seed: String(seed) })
        if (explanation.by !== 'exploration') return
        explored++
        const first = offers.find(({ nodeId }) => nodeId === order[0]) ?? anOffer()
        const cheapest = Number(explanation.cheapest.replace('.', ''))
        expect(costAt(first)).toBeLessThanOrEqual(cheapest * CHOOSE.exploreCap)
        expect(first.trust).toBeGreaterThanOrEqual(CHOOSE.exploreTrustMin)
      }),
      { numRuns: 3_000 },
    )
    expect(explored).toBeGreaterThan(5)
  })
})

describe('nobody gains', () => {
  const aHonest = markets(8).map((offers) =>
    fine(offers).map((offer) => ({ ...offer, price: anOffer({ usd: '10' }).price })),
  )

  it('by a thousand dollars a million', () => {
    fc.assert(
      fc.property(aHonest, (offers) => {
        const dear = anOffer({ nodeId: idOf(99), usd: '1000' })
        expect(sharesOf([...offers, dear]).get(dear.nodeId)).toBe(0)
        for (const [id, share] of sharesOf(offers)) expect(sharesOf([...offers, dear]).get(id)).toBe(share)
      }),
    )
  })

  it('by a price of nothing: it is drawn as if it asked what the cheapest asks, and keeps nobody away', () => {
    fc.assert(
      fc.property(aHonest, fc.constantFrom('0', '0.000000001', '0.0009'), (offers, usd) => {
        const cheap = anOffer({ nodeId: idOf(99), usd })
        const same = { ...cheap, price: anOffer({ usd: '10' }).price }
        const [withIt, asCheapest] = [sharesOf([...offers, cheap]), sharesOf([...offers, same])]
        for (const [id, share] of asCheapest) expect(withIt.get(id)).toBeCloseTo(share, 12)
      }),
    )
  })

  it('by another who is neither cheaper nor faster', () => {
    fc.assert(
      fc.property(markets(8), anyOffer, (all, any) => {
        const offers = fine(all).filter((offer) => costAt(offer) >= FLOOR)
        fc.pre(offers.length > 0)
        const [worst] = fine([offerOf(any, 99)])
        const slowest = { ...(worst ?? anOffer()), firstTokenMs: null }
        fc.pre(costAt(slowest) >= Math.min(...offers.map(costAt)))
        const [before, after] = [sharesOf(offers), sharesOf([...offers, slowest])]
        for (const [id, share] of before) expect(after.get(id)).toBeLessThanOrEqual(share + 1e-12)
      }),
      { numRuns: 300 },
    )
  })

  it.each<[string, (offer: Offer, by: number) => Offer]>([
    [
      'asking more',
      (offer, by) => ({
        ...offer,
        price: { ...offer.price, outputPerMillion: nanos(offer.price.outputPerMillion + BigInt(by) * 10_000_000n) },
      }),
    ],
    ['failing more', (offer, by) => ({ ...offer, success: (offer.success ?? 0) / (1 + by) })],
    ['being busier', (offer, by) => ({ ...offer, busyShare: 1 - (1 - (offer.busyShare ?? 0)) / (1 + by) })],
    ['being trusted less', (offer, by) => ({ ...offer, trust: offer.trust / (1 + by) })],
    ['being new', (offer) => ({ ...offer, nodeState: 'probation' })],
    ['beginning later', (offer, by) => ({ ...offer, firstTokenMs: (offer.firstTokenMs ?? 0) + by })],
  ])('by %s', (_, worsen) => {
    fc.assert(
      fc.property(markets(8), fc.nat({ max: 5_000 }), (all, by) => {
        const offers = fine(all)
          .filter((offer) => costAt(offer) >= FLOOR)
          .map((offer) => ({ ...offer, success: offer.success ?? 1, firstTokenMs: offer.firstTokenMs ?? 100 }))
        const [own, ...rivals] = offers
        fc.pre(own !== undefined)
        const before = sharesOf(offers).get(own.nodeId) ?? 0
        const after = sharesOf([worsen(own, by), ...rivals]).get(own.nodeId) ?? 0
        expect(after).toBeLessThanOrEqual(before + 1e-9)
      }),
      { numRuns: 200 },
    )
  })
})

describe('a breaker', () => {
  const open = { breaker: 'open', breakerUntil: instant(NOW + 1) } as const
  it.each([
    [0, 2, false],
    [1, 2, false],
    [2, 4, false],
    [3, 4, true],
    [2, 3, true],
    [1, 1, true],
  ])('of %d of %d offers is ignored: %s', (broken, all, isPanic) => {
    const offers = Array.from({ length: all }, (_, n) => anOffer({ nodeId: idOf(n), ...(n < broken && open) }))
    const { order, explanation } = rank(offers, input)
    expect(explanation.panic).toBe(isPanic)
    expect(order).toHaveLength(isPanic ? all : all - broken)
    const shares = explanation.candidates.map(({ weight }) => weight)
    if (isPanic && broken < all) expect(shares[0]).toBeCloseTo((shares[all - 1] ?? 0) * CHOOSE.brokenWeight)
  })

  it('that is half open lets one call in at a time, as this isolate and others count them', () => {
    const offers = (inFlight: number) => [
      anOffer({ nodeId: idOf(1) }),
      anOffer({ nodeId: idOf(2) }),
      anOffer({ nodeId: idOf(3), breaker: 'half_open', inFlight }),
    ]
    const local = (inFlight: number) => new Map([[idOf(3), { inFlight, brokenUntil: null, busyUntil: null }]])
    expect(rank(offers(0), { ...input, local: local(0) }).order).toContain(idOf(3))
    expect(rank(offers(1), input).order).not.toContain(idOf(3))
    expect(rank(offers(0), { ...input, local: local(1) }).order).not.toContain(idOf(3))
  })

  it('of a node that failed here a moment ago is as good as open, until then', () => {
    const offers = [anOffer({ nodeId: idOf(1) }), anOffer({ nodeId: idOf(2) })]
    const local = (until: number) => new Map([[idOf(2), { inFlight: 0, brokenUntil: instant(until), busyUntil: null }]])
    expect(rank(offers, { ...input, local: local(NOW + 1) }).order).toEqual([idOf(1)])
    expect(rank(offers, { ...input, local: local(NOW) }).order).toHaveLength(2)
  })
})

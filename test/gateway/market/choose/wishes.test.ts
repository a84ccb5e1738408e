// What callers ask of who serves them: each wish with an offer that just meets it and the first that does not, and what is said when nobody is left.
import { describe, expect, it } from 'vitest'
import { rank } from '../../../../gateway/market/choose/choose.ts'
import { refusalDetail } from '../../../../gateway/market/choose/refusal.ts'
import { NO_WISHES, wishesOf, type Wishes } from '../../../../gateway/market/choose/wishes.ts'
import type { Offer } from '../../../../gateway/market/market-port.ts'
import { ProviderPreferences, type Continent, type Parameter } from '../../../../protocol/routing.ts'
import { fromUsd, instant, nanos, tokens, type NodeId } from '../../../../protocol/units.ts'
import { anOffer, OPERATOR, STRANGER } from '../builders.ts'

const input = { seed: 'seed', now: instant(0), estimate: { inputTokens: tokens(1_000), outputTokens: tokens(1_000) } }
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((letter) => `node_${letter.repeat(16)}`) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
] // of an id's form
type Over = Parameters<typeof anOffer>[0]

const wishing = (preferences: unknown, parameters: Parameter[] = [], region: Continent | null = null): Wishes =>
  wishesOf(ProviderPreferences.parse(preferences), new Set(parameters), region)
const ranked = (offers: readonly Offer[], wishes: Wishes, seed = 'seed') => rank(offers, { ...input, wishes, seed })
const lostOf = (ranking: ReturnType<typeof rank>, nodeId: NodeId) =>
  ranking.explanation.candidates.find((candidate) => candidate.nodeId === nodeId)?.lost

const priced = (over: Partial<Offer['price']>) => ({ ...anOffer({ usd: '1' }).price, ...over })

describe('a wish', () => {
  it.each<[string, Wishes, Over, Over, string]>([
    ['only a node', wishing({ only: [A, B] }), {}, { nodeId: C }, 'only'],
    [
      'only an operator',
      wishing({ only: [STRANGER] }),
      { operatorAccountId: STRANGER },
      { operatorAccountId: OPERATOR },
      'only',
    ],
    ['without a node', wishing({ ignore: [C] }), {}, { nodeId: C }, 'ignore'],
    ['without an operator', wishing({ ignore: [STRANGER] }), {}, { operatorAccountId: STRANGER }, 'ignore'],
    ['these and no others', wishing({ order: [B, A], allow_fallbacks: false }), {}, { nodeId: C }, 'allow_fallbacks'],
    [
      'a highest price of input',
      wishing({ max_price: { prompt: '10' } }),
      { usd: '10' },
      { usd: '10.000000001' },
      'max_price',
    ],
    [
      'a highest price of output',
      wishing({ max_price: { completion: 10 } }),
      { usd: '10' },
      { usd: '10.000000001' },
      'max_price',
    ],
    [
      'a highest price of bytes',
      wishing({ max_price: { bytes: 0.5 } }),
      { price: priced({ bytesPerMillion: fromUsd('0.5') }) },
      { price: priced({ bytesPerMillion: nanos(500_000_001n) }) },
      'max_price',
    ],
    [
      'a highest price of a call',
      wishing({ max_price: { request: '0.000000010' } }),
      { price: priced({ perCall: nanos(10n) }) },
      { price: priced({ perCall: nanos(11n) }) },
      'max_price',
    ],
    ['a longest wait', wishing({ max_latency: 0.5 }), { firstTokenMs: 500 }, { firstTokenMs: 501 }, 'max_latency'],
    ['a wait that is known', wishing({ max_latency: 600 }), {}, { firstTokenMs: null }, 'max_latency'],
    ['a speed', wishing({ min_throughput: 50 }), { unitsPerSecond: 50 }, { unitsPerSecond: 49.9 }, 'min_throughput'],
    ['a speed that is known', wishing({ min_throughput: 1 }), {}, { unitsPerSecond: null }, 'min_throughput'],
    [
      'a parameter',
      wishing({}, ['top_k', 'seed']),
      { parameters: new Set(['seed', 'top_k']) },
      { parameters: new Set(['seed']) },
      'parameters',
    ],
    [
      'a parameter of who does not say',
      wishing({}, ['seed']),
      { parameters: null },
      { parameters: new Set() },
      'parameters',
    ],
    [
      'a parameter that is said',
      wishing({ require_parameters: true }, ['dimensions']),
      { parameters: new Set(['dimensions']) },
      { parameters: null },
      'require_parameters',
    ],
    ['pinned files', wishing({ require_pinned: true }), {}, { assurance: 'declared' }, 'require_pinned'],
    ['that nothing is kept', wishing({ data_collection: 'deny' }), {}, { collectsData: true }, 'data_collection'],
    ['a continent', wishing({ regions: ['EU', 'AF'] }), { region: 'AF' }, { region: 'NA' }, 'regions'],
    ['a continent that is known', wishing({ regions: ['EU'] }), { region: 'EU' }, { region: null }, 'regions'],
  ])('for %s keeps who just meets it and leaves out who does not', (_, wishes, meets, fails, lost) => {
    const kept = ranked([anOffer({ nodeId: B, ...meets }), anOffer({ nodeId: D, ...meets, ...fails })], wishes)
    const loser = fails?.nodeId ?? D
    expect(kept.order).not.toContain(loser)
    expect(lostOf(kept, loser)).toBe(lost)
    expect(kept.order[0]).toBe(B)
    const alone = ranked([anOffer({ nodeId: D, ...meets, ...fails })], wishes)
    expect(alone).toMatchObject({ order: [], refusal: 'no_provider' })
    expect(refusalDetail(alone)).toMatch(/^Offers left out: 1 .*\.$/)
    expect(refusalDetail(kept)).toBeNull()
    expect(ranked([anOffer({ nodeId: D, ...meets, ...fails })], NO_WISHES).refusal).toBeNull()
  })

  it.each<[string, unknown, Over]>([
    ['data may be kept', { data_collection: 'allow' }, { collectsData: true }],
    ['declared files do', { require_pinned: false }, { assurance: 'declared' }],
    ['nothing of the request asks for anything', { require_parameters: true }, { parameters: null }],
  ])('leaves nobody out where %s', (_, preferences, offer) => {
    expect(ranked([anOffer({ nodeId: A, ...offer })], wishing(preferences)).order).toEqual([A])
  })
})

it('tells the first wish that leaves an offer out, and a wish before what the call needs', () => {
  const offer = anOffer({ nodeId: D, assurance: 'declared', firstTokenMs: null, contextTokens: 1, inFlight: 4 })
  const told = (wishes: Wishes) => lostOf(rank([offer], { ...input, wishes, needsTokens: 2 }), D)
  expect(told(wishing({ only: [A], max_latency: 1, require_pinned: true }))).toBe('only')
  expect(told(wishing({ max_latency: 1, require_pinned: true }))).toBe('max_latency')
  expect(told(wishing({ require_pinned: true }))).toBe('require_pinned')
  expect(told(NO_WISHES)).toBe('context')
})

describe('the order of a caller', () => {
  const three = [A, B, C].map((nodeId) => anOffer({ nodeId, usd: nodeId === C ? '19' : '10' }))

  it('is kept whatever the draw says, and the others follow', () => {
    for (let i = 0; i < 300; i++) {
      const { order, explanation } = ranked(three, wishing({ order: [C, B] }), `s${i}`)
      expect(order).toEqual([C, B, A])
      expect(explanation).toMatchObject({ by: 'order', chosen: C })
    }
    expect(ranked(three, wishing({ order: [C], allow_fallbacks: false })).order).toEqual([C])
  })

  it('is drawn among the nodes of an operator it names, all of them before anybody else', () => {
    const offers = [A, B, C, D].map((nodeId) =>
      anOffer({ nodeId, operatorAccountId: nodeId === A || nodeId === B ? STRANGER : OPERATOR }),
    )
    const firsts = new Set<string | undefined>()
    for (let i = 0; i < 100; i++) {
      const { order } = ranked(offers, wishing({ order: [STRANGER] }), `s${i}`)
      expect(order.slice(0, 2).sort()).toEqual([A, B])
      expect(order).toHaveLength(4)
      firsts.add(order[0])
    }
    expect(firsts.size).toBe(2)
    // A node that is named itself before its operator is.
    expect(ranked(offers, wishing({ order: [B, STRANGER, D] })).order).toEqual([B, A, D, C])
  })

  it('gives way to the others where nobody of it may be asked, and is asked in spite of its breaker where nobody else may', () => {
    const broken = { breaker: 'open', breakerUntil: instant(1) } as const
    const offers = [anOffer({ nodeId: A }), anOffer({ nodeId: B }), anOffer({ nodeId: C, ...broken })]
    const { order, explanation } = ranked(offers, wishing({ order: [C] }), 'another')
    expect([...order].sort()).toEqual([A, B])
    expect(explanation.by).toBe('draw')
    expect(ranked(offers, wishing({ order: [C], allow_fallbacks: false })).order).toEqual([C])
  })

  it('does not lift the ceiling of prices: who is named cannot ask for anything', () => {
    const offers = [anOffer({ nodeId: A, usd: '10' }), anOffer({ nodeId: B, usd: '20.000000001' })]
    expect(ranked(offers, wishing({ order: [B] })).order).toEqual([A])
  })
})

describe('one node only', () => {
  it('is asked where a caller wants no fallbacks and names none', () => {
    const offers = [A, B, C].map((nodeId) => anOffer({ nodeId }))
    const firsts = new Set<string | undefined>()
    for (let i = 0; i < 50; i++) {
      const { order } = ranked(offers, wishing({ allow_fallbacks: false }), `s${i}`)
      expect(order).toHaveLength(1)
      firsts.add(order[0])
    }
    expect(firsts.size).toBe(3)
  })
})

describe('a sorted choice', () => {
  const offers = [
    anOffer({ nodeId: A, usd: '10', firstTokenMs: 300, unitsPerSecond: 20 }),
    anOffer({ nodeId: B, usd: '11', firstTokenMs: 200, unitsPerSecond: 80 }),
    anOffer({ nodeId: C, usd: '12', firstTokenMs: null, unitsPerSecond: null }),
    anOffer({ nodeId: D, usd: '19', firstTokenMs: 100, unitsPerSecond: 50 }),
  ]
  it.each([
    ['price', [A, B, C, D]],
    ['latency', [D, B, A, C]],
    ['throughput', [B, D, A, C]],
  ])('by %s is the same for every seed', (sort, order) => {
    for (let i = 0; i < 100; i++) expect(ranked(offers, wishing({ sort }), `s${i}`).order).toEqual(order)
  })

  it('asks those last who are not to be relied on, and of two alike the better one first', () => {
    const cheap = (over: Over) => [anOffer({ nodeId: A, usd: '1', ...over }), anOffer({ nodeId: B, usd: '1.5' })]
    const first = (over: Over) => ranked(cheap(over), wishing({ sort: 'price' })).order[0]
    expect(first({})).toBe(A)
    expect(first({ success: 0.1 })).toBe(A)
    expect(first({ trust: 0.5 })).toBe(A)
    expect(first({ trust: 0.49 })).toBe(B)
    expect(first({ breaker: 'half_open' })).toBe(B)
    expect(first({ usd: '1.5', success: 0.9 })).toBe(B)
  })

  it('asks those the caller names first, each name sorted', () => {
    const named = wishing({ sort: 'latency', order: [C, A] })
    expect(ranked(offers, named).order).toEqual([C, A, D, B])
  })
})

describe('a highest price', () => {
  const at = (nodeId: NodeId, input: string, output: string, perCall = 0n) =>
    anOffer({
      nodeId,
      price: priced({ inputPerMillion: fromUsd(input), outputPerMillion: fromUsd(output), perCall: nanos(perCall) }),
    })

  it('lifts the ceiling up to it', () => {
    const offers = [at(A, '1', '1'), at(B, '9', '9'), at(C, '9.1', '9')]
    expect(ranked(offers, NO_WISHES).order).toEqual([A])
    const { order } = ranked(offers, wishing({ max_price: { prompt: 9, completion: 9 } }))
    expect(order).toEqual([A, B])
  })

  it('lifts it for the kinds of price it names alone', () => {
    const offers = [at(A, '1', '1'), at(B, '9', '4'), at(C, '9', '4.1'), at(D, '9', '1', 4_000_001n)]
    const ranking = ranked(offers, wishing({ max_price: { prompt: 9 } }))
    expect([...ranking.order].sort()).toEqual([A, B])
    expect([lostOf(ranking, C), lostOf(ranking, D)]).toEqual(['price', 'price'])
  })
})

describe('the caller’s continent', () => {
  const share = (region: Continent | null, caller: Continent | null) =>
    ranked([anOffer({ nodeId: A, region }), anOffer({ nodeId: B, region: 'EU' })], wishing({}, [], caller)).explanation
      .candidates[0]?.share
  it.each<[Continent | null, Continent | null, number]>([
    ['EU', 'EU', 1 / 2],
    ['NA', 'EU', 1 / 3],
    [null, 'EU', 1 / 3],
    ['NA', null, 1 / 2],
    [null, null, 1 / 2],
    [null, 'OC', 1 / 2],
  ])('a node in %s against one in EU, for a caller in %s', (region, caller, expected) => {
    expect(share(region, caller)).toBeCloseTo(0.99 * expected + 0.01 / 2, 6)
  })
})

describe('a refusal', () => {
  it.each<[string, Offer[], Wishes, string, string]>([
    ['nobody', [], NO_WISHES, 'no_provider', 'No node offers this model now.'],
    [
      'too small ones beside those the caller does not want',
      [anOffer({ nodeId: A, contextTokens: 99 }), anOffer({ nodeId: B }), anOffer({ nodeId: C })],
      wishing({ only: [A] }),
      'context_length_exceeded',
      'Offers left out: 2 not in provider.only, 1 with too small a context.',
    ],
    [
      'a full one beside a slow one',
      [anOffer({ nodeId: A, inFlight: 4 }), anOffer({ nodeId: B, firstTokenMs: 2_000 })],
      wishing({ max_latency: 1 }),
      'provider_busy',
      'Offers left out: 1 with no place free, 1 slower than provider.max_latency, or not yet measured.',
    ],
  ])('says what is true of %s', (_, offers, wishes, refusal, detail) => {
    const ranking = rank(offers, { ...input, wishes, needsTokens: 100 })
    expect(ranking).toMatchObject({ order: [], refusal })
    expect(refusalDetail(ranking)).toBe(detail)
  })
})

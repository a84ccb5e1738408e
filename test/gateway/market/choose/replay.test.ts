// Every choice can be made again from what is kept of it, whatever the market, the wishes and the seed; and what is kept stays small.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rank, type Explanation } from '../../../../gateway/market/choose/choose.ts'
import { seededRandom } from '../../../../protocol/replay.ts'
import { CHOOSE } from '../../../../gateway/market/choose/policy.ts'
import { replay } from '../../../../protocol/replay.ts'
import { wishesOf } from '../../../../gateway/market/choose/wishes.ts'
import type { Offer } from '../../../../gateway/market/market-port.ts'
import { instant, tokens, type NodeId } from '../../../../protocol/units.ts'
import { anOffer, OPERATOR, STRANGER } from '../builders.ts'

const input = { now: instant(0), estimate: { inputTokens: tokens(1_000), outputTokens: tokens(500) } }
const idOf = (n: number) => `node_${String(n).padStart(16, '0')}` as NodeId // of an id's form
const throughJson = (explanation: Explanation) => JSON.parse(JSON.stringify(explanation)) as Explanation // what was written

const markets = new Map<number, readonly Offer[]>()
function marketOf(size: number): readonly Offer[] {
  const known = markets.get(size)
  if (known) return known
  const random = seededRandom(`market ${size}`)
  const made = Array.from({ length: size }, (_, n) =>
    anOffer({
      nodeId: idOf(n),
      usd: (5 + random() * 7).toFixed(3),
      operatorAccountId: random() < 0.1 ? STRANGER : OPERATOR,
      success: random() < 0.1 ? null : random(),
      firstTokenMs: random() < 0.1 ? null : Math.floor(random() * 1_000),
      unitsPerSecond: random() < 0.1 ? null : 1 + random() * 100,
      inFlight: random() < 0.1 ? 4 : 0,
      breaker: random() < 0.1 ? 'open' : 'closed',
      trust: random() < 0.1 ? 0 : 1,
    }),
  )
  markets.set(size, made)
  return made
}

const preferences = fc.record(
  {
    sort: fc.constantFrom('price', 'latency', 'throughput'),
    order: fc.array(fc.oneof(fc.nat({ max: 40 }).map(idOf), fc.constant(STRANGER)), { minLength: 1, maxLength: 4 }),
    ignore: fc.array(fc.nat({ max: 40 }).map(idOf), { maxLength: 4 }),
    allow_fallbacks: fc.boolean(),
    max_latency: fc.constantFrom(0.2, 0.5),
    max_price: fc.constantFrom({ prompt: '6' }, { prompt: '9', completion: '9' }),
  },
  { requiredKeys: [] },
)

describe('an explanation', () => {
  it('gives the same choice again, through JSON', () => {
    const how = new Set<string | null>()
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 5, 32, 33, 200),
        fc.oneof(fc.constant({}), preferences),
        fc.nat({ max: 1e9 }).map(String),
        (size, wished, seed) => {
          const { order, explanation } = rank(marketOf(size), {
            ...input,
            seed,
            wishes: wishesOf(wished, new Set(), null),
          })
          expect(replay(throughJson(explanation))).toBe(order[0] ?? null)
          expect(explanation.chosen).toBe(order[0] ?? null)
          how.add(explanation.by)
        },
      ),
      { numRuns: 3_000 },
    )
    expect([...how].sort()).toEqual([null, 'draw', 'exploration', 'order', 'sort'].sort())
  })

  it('of ten thousand offers does so as well, names 32 of them and counts the others', () => {
    const market = marketOf(10_000)
    for (let i = 0; i < 200; i++) {
      const { order, explanation } = rank(market, { ...input, seed: `s${i}` })
      expect(replay(throughJson(explanation))).toBe(order[0])
      const { candidates, others, total } = explanation
      expect(candidates).toHaveLength(CHOOSE.explained)
      expect(
        candidates
          .filter(({ turn }) => turn !== null)
          .map(({ nodeId }) => nodeId)
          .sort(),
      ).toEqual([...order].sort())
      expect(candidates.filter(({ weight }) => weight === 0)).toHaveLength(8)
      const counted = Object.values(others.lost).reduce((sum, count) => sum + (count ?? 0), 0)
      expect([counted, others.offers]).toEqual([9_968, 9_968])
      const named = candidates.reduce((sum, { weight }) => sum + weight, 0)
      expect(named + others.weight).toBeCloseTo(total, 6)
      expect(JSON.stringify(explanation).length).toBeLessThan(8_000)
    }
  })

  it('does not give it again when the seed, a weight or a value is another one', () => {
    const market = [anOffer({ nodeId: idOf(1) }), anOffer({ nodeId: idOf(2) })]
    const drawn = Array.from({ length: 20 }, (_, i) => rank(market, { ...input, seed: `s${i}` }).explanation)
    const first = drawn.find(({ chosen, by }) => chosen === idOf(1) && by === 'draw')
    const second = drawn.find(({ chosen, by }) => chosen === idOf(2) && by === 'draw')
    if (!first || !second) throw new Error('both are drawn')
    expect(replay({ ...first, seed: second.seed })).toBe(idOf(2))
    const bent = first.candidates.map((one) => (one.nodeId === idOf(1) ? { ...one, weight: 0 } : one))
    expect(replay({ ...first, candidates: bent })).toBeNull()
    const sorted = rank(market, {
      ...input,
      seed: 's',
      wishes: wishesOf({ sort: 'latency' }, new Set(), null),
    }).explanation
    const slower = sorted.candidates.map((one) => (one.turn === 1 ? { ...one, value: 1e6 } : one))
    expect(replay({ ...sorted, candidates: slower })).not.toBe(sorted.chosen)
  })

  it('tells the turn of each one that is asked, and the chance of each to be the first', () => {
    const { order, explanation } = rank(marketOf(200), { ...input, seed: 'x', depth: 5 })
    const turns = explanation.candidates.flatMap(({ nodeId, turn }) => (turn === null ? [] : [[turn, nodeId] as const]))
    expect(turns.sort(([a], [b]) => a - b).map(([, id]) => id)).toEqual(order)
    const small = rank(marketOf(32), { ...input, seed: 'x' }).explanation
    expect(small.candidates.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
    expect(small.others).toEqual({ offers: 0, weight: 0, lost: {} })
  })

  it.each([
    [0, 0],
    [1, 1],
    [7, 7],
    [50, 20],
  ])('asks %d of 20 at most: %d', (depth, asked) => {
    const offers = Array.from({ length: 20 }, (_, n) => anOffer({ nodeId: idOf(n) }))
    const { order } = rank(offers, { ...input, seed: 'x', depth })
    expect(order).toHaveLength(asked)
    expect(new Set(order).size).toBe(asked)
  })
})

it('asks somebody however an absurd price was ever let in', () => {
  const price = { ...anOffer().price, inputPerMillion: (2n ** 53n - 1n) as Offer['price']['inputPerMillion'] } // the highest amount there is
  const huge = { ...input, estimate: { inputTokens: tokens(2n ** 52n), outputTokens: tokens(0) } }
  expect(rank([anOffer({ nodeId: idOf(1), price })], { ...huge, seed: 'x' }).order).toEqual([idOf(1)])
})

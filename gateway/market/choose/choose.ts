// Who is asked, and in which order (rule). Cheap, fast, reliable offers get more of the traffic, and none of them all of it: one weighted draw
// by a seed that is kept with the call, so that the choice can be explained and repeated. Threats that shaped it: an offer for nothing that
// would take every call (price floor), a newcomer whose health is unknown (unknown is not perfect), a dearer offer slipping in (price cap).
import { costOf, type Units } from '../../../protocol/price.ts'
import { MILLION, mulUp, nanos, toUsd, type Instant, type Nanos, type NodeId } from '../../../protocol/units.ts'
import type { Wishes } from './wishes.ts'
import { drawOrder, seededRandom } from './draw.ts'
import type { LocalJudgement, Offer } from '../market-port.ts'

export const CHOOSE = {
  /** offers above cheapest × this ÷ 100 are left out */
  priceCapPercent: 200n,
  /** exploration reaches up to cheapest × this */
  exploreCap: 1.25,
  /** share of calls whose first node is drawn evenly */
  exploreShare: 0.01,
  /** nanos per million units: below this ($0.001) cheaper does not win more */
  floorPerMillion: 1_000_000n,
  /** the same for tensor bytes ($0.0001): a token is a few bytes */
  bytesFloorPerMillion: 100_000n,
  /** k of success^k */
  successPower: 4,
  /** what unknown health counts as: a bit worse than a good node */
  unknownSuccess: 0.8,
  unknownSpeed: 0.5,
  /** the slowest counts no less than this against the fastest */
  speedFloor: 0.25,
  probationWeight: 0.2,
  /** an offer whose breaker is trying again */
  halfOpenWeight: 0.1,
} as const

export type Lost = 'excluded' | 'breaker_open' | 'busy' | 'context' | 'output' | 'price' | 'draw'

/** JSON, kept with the call. */
export interface Explanation {
  readonly seed: string
  readonly chosen: NodeId | null
  readonly candidates: readonly {
    readonly nodeId: NodeId
    /** effective price of the estimate, decimal dollars */
    readonly price: string
    /** 0 for those that were not in the draw */
    readonly weight: number
    /** its chance in the first draw, exploration included */
    readonly share: number
    readonly lost: Lost | null
  }[]
}

export interface RankInput {
  readonly seed: string
  readonly now: Instant
  /** what the call is expected to use at most: prices are compared for exactly this */
  readonly estimate: Units
  readonly excluded?: ReadonlySet<NodeId>
  /** absent: {@link NO_WISHES} */
  readonly wishes?: Wishes
  /** what this isolate has just seen of nodes itself */
  readonly local?: ReadonlyMap<NodeId, LocalJudgement>
  /** input and output together must fit the offer's context */
  readonly needsTokens?: number
  /** output the offer must permit */
  readonly needsOutputTokens?: number
}

export interface Ranking {
  /** the whole fallback order; empty when nobody may serve */
  readonly order: readonly NodeId[]
  readonly explanation: Explanation
  /** why the order is empty, null when it is not */
  readonly refusal: 'no_provider' | 'provider_busy' | 'context_length_exceeded' | null
}

interface Candidate {
  readonly offer: Offer
  readonly priceNanos: Nanos
  readonly lost: Lost | null
}

/**
 * Ranks offers for one call. With equal health, shares are as 1/price².
 * @example prices 1 and 2, same health: shares 0.8 and 0.2 (before 1 % exploration, which reaches only offers at most 1.25 × the cheapest)
 */
export function rank(offers: readonly Offer[], input: RankInput): Ranking {
  const candidates = priceCapped(filtered(offers, input))
  const running = candidates.filter((candidate) => candidate.lost === null)
  const weights = weightsOf(running, input)
  const shares = sharesOf(
    running.map(({ priceNanos }) => priceNanos),
    weights,
  )
  const order = draw(
    running.map(({ offer, priceNanos }, position) => ({
      nodeId: offer.nodeId,
      priceNanos,
      weight: weights[position] ?? 0,
    })),
    input.seed,
  )
  const chosen = order[0] ?? null
  const explain = (candidate: Candidate) => {
    const position = running.indexOf(candidate)
    const { nodeId } = candidate.offer
    const lost = candidate.lost ?? (nodeId === chosen ? null : ('draw' as const))
    return {
      nodeId,
      price: toUsd(candidate.priceNanos),
      weight: weights[position] ?? 0,
      share: shares[position] ?? 0,
      lost,
    }
  }
  const explanation = { seed: input.seed, chosen, candidates: candidates.map(explain) }
  return { order, explanation, refusal: chosen === null ? refusalOf(candidates) : null }
}

/** Draws again from what was kept. @returns the node chosen then, unless seed, weights or prices were changed since */
export function replay(explanation: Explanation): NodeId | null {
  const running = explanation.candidates
    .filter(({ lost }) => lost === null || lost === 'draw')
    .map(({ nodeId, price, weight }) => ({ nodeId, weight, priceNanos: nanos(BigInt(price.replace('.', ''))) }))
  return draw(running, explanation.seed)[0] ?? null
}

function draw(running: readonly { nodeId: NodeId; priceNanos: Nanos; weight: number }[], seed: string): NodeId[] {
  const random = seededRandom(seed)
  const mayExplore = withinExploration(running.map(({ priceNanos }) => priceNanos))
  const isExploring = random() < CHOOSE.exploreShare
  const even = Math.floor(random() * mayExplore.length)
  const order = drawOrder(
    running.map(({ weight }) => weight),
    random,
  )
  const first = isExploring ? mayExplore[even] : undefined
  const positions = first === undefined ? order : [first, ...order.filter((position) => position !== first)]
  return positions.flatMap((position) => running[position]?.nodeId ?? [])
}

function filtered(offers: readonly Offer[], input: RankInput): Candidate[] {
  // The order of the snapshot's rows must not decide what a seed draws.
  const sorted = [...offers].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  const judged = sorted.map((offer) => ({
    offer,
    priceNanos: effectivePrice(offer, input.estimate),
    lost: unfit(offer, input),
  }))
  const hasHealthy = judged.some(({ offer, lost }) => lost === null && !isBroken(offer, input))
  if (!hasHealthy) return judged // the last ones are asked even when their breakers are open
  return judged.map((candidate) =>
    candidate.lost === null && isBroken(candidate.offer, input) ? { ...candidate, lost: 'breaker_open' } : candidate,
  )
}

function unfit(offer: Offer, input: RankInput): Lost | null {
  if (input.excluded?.has(offer.nodeId)) return 'excluded'
  if (offer.contextTokens < (input.needsTokens ?? 0)) return 'context'
  if (offer.outputTokensMax < (input.needsOutputTokens ?? 0)) return 'output'
  if ((input.local?.get(offer.nodeId)?.busyUntil ?? input.now) > input.now) return 'busy'
  if (inFlight(offer, input) >= offer.inFlightCap) return 'busy'
  return null
}

/** Open and not yet due for a trial, or on trial with a call already under way. */
function isBroken(offer: Offer, input: RankInput): boolean {
  if ((input.local?.get(offer.nodeId)?.brokenUntil ?? input.now) > input.now) return true
  if (offer.breaker === 'closed') return false
  const isDue = offer.breaker === 'half_open' || (offer.breakerUntil !== null && offer.breakerUntil <= input.now)
  return !isDue || inFlight(offer, input) > 0
}

const inFlight = (offer: Offer, input: RankInput): number =>
  Math.max(offer.inFlight, input.local?.get(offer.nodeId)?.inFlight ?? 0)

/** Cost of the estimate, at least what it would cost at the price floor, and at least one nano. */
function effectivePrice(offer: Offer, estimate: Units): Nanos {
  const tokensFloor = (estimate.inputTokens + estimate.outputTokens) * CHOOSE.floorPerMillion
  const floor = mulUp(tokensFloor + (estimate.tensorBytes ?? 0n) * CHOOSE.bytesFloorPerMillion, 1n, MILLION)
  const cost = costOf(estimate, offer.price)
  const highest = cost > floor ? cost : floor
  return nanos(highest > 0n ? highest : 1n)
}

function priceCapped(candidates: readonly Candidate[]): Candidate[] {
  const prices = candidates.filter(({ lost }) => lost === null).map(({ priceNanos }) => priceNanos)
  const cap = (lowest(prices) * CHOOSE.priceCapPercent) / 100n
  return candidates.map((candidate) =>
    candidate.lost === null && candidate.priceNanos > cap ? { ...candidate, lost: 'price' } : candidate,
  )
}

function weightsOf(running: readonly Candidate[], input: RankInput): number[] {
  const times = running.map(({ offer }) => expectedMs(offer, input.estimate))
  const fastest = Math.min(...times.filter((ms) => ms !== null))
  const cheapest = Number(lowest(running.map(({ priceNanos }) => priceNanos)))
  return running.map(({ offer, priceNanos }, position) => {
    const ms = times[position] ?? null
    const speed = ms === null ? CHOOSE.unknownSpeed : Math.max(CHOOSE.speedFloor, ms === 0 ? 1 : fastest / ms)
    const success = (offer.success ?? CHOOSE.unknownSuccess) ** CHOOSE.successPower
    const trust = offer.nodeState === 'probation' ? CHOOSE.probationWeight : 1
    const trial = offer.breaker === 'closed' ? 1 : CHOOSE.halfOpenWeight
    // Relative to the cheapest, which leaves every share as it is and keeps the numbers readable.
    return (cheapest / Number(priceNanos)) ** 2 * speed * success * trust * trial
  })
}

function expectedMs(offer: Offer, estimate: Units): number | null {
  if (offer.firstTokenMs === null) return null
  const outputMs = offer.unitsPerSecond ? (Number(estimate.outputTokens) / offer.unitsPerSecond) * 1_000 : 0
  return offer.firstTokenMs + outputMs
}

function sharesOf(prices: readonly Nanos[], weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const mayExplore = withinExploration(prices)
  return weights.map((weight, position) => {
    const drawn = total > 0 ? weight / total : 1 / weights.length
    const explored = mayExplore.includes(position) ? 1 / mayExplore.length : 0
    return drawn * (1 - CHOOSE.exploreShare) + explored * CHOOSE.exploreShare
  })
}

function withinExploration(prices: readonly Nanos[]): number[] {
  const cap = Number(lowest(prices)) * CHOOSE.exploreCap
  return prices.flatMap((price, position) => (Number(price) <= cap ? [position] : []))
}

const lowest = (prices: readonly Nanos[]): Nanos =>
  prices.reduce((low, price) => (price < low ? price : low), prices[0] ?? nanos(0n))

function refusalOf(candidates: readonly Candidate[]): 'no_provider' | 'provider_busy' | 'context_length_exceeded' {
  if (candidates.some(({ lost }) => lost === 'busy')) return 'provider_busy'
  const isTooLong = candidates.length > 0 && candidates.every(({ lost }) => lost === 'context' || lost === 'output')
  return isTooLong ? 'context_length_exceeded' : 'no_provider'
}

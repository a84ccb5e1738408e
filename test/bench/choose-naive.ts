// The choice as anybody would write it down: an object for each offer and each step, amounts in bigints, every call from the beginning. What the fast one
// is measured against, and what it has to agree with (test/gateway/market/choose/laws.test.ts). Of wishes it knows none.
import { seededRandom } from '../../protocol/replay.ts'
import { CHOOSE } from '../../gateway/market/choose/policy.ts'
import type { RankInput } from '../../gateway/market/choose/rank-input.ts'
import type { Offer } from '../../gateway/market/market-port.ts'
import { costOf } from '../../protocol/price.ts'
import type { NodeId } from '../../protocol/units.ts'

interface Seen {
  readonly offer: Offer
  readonly cost: bigint
  readonly weight: number
}

export interface NaiveRanking {
  readonly order: readonly NodeId[]
  /** of those that may be asked */
  readonly weights: ReadonlyMap<NodeId, number>
  readonly shares: ReadonlyMap<NodeId, number>
}

export function rankNaively(offers: readonly Offer[], input: RankInput): NaiveRanking {
  const sorted = [...offers].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  const fitting = sorted.filter((offer) => fits(offer, input))
  const healthy = fitting.filter((offer) => !isBroken(offer, input))
  const heeded = (fitting.length - healthy.length) * 2 > fitting.length ? fitting : healthy
  const priced = heeded.map((offer) => ({ offer, cost: costOf(input.estimate, offer.price) }))
  const floor = floorOf(input)
  const paid = priced.map(({ cost }) => cost).filter((cost) => cost >= floor)
  const cheapest = paid.reduce((low, cost) => (cost < low ? cost : low), paid[0] ?? floor)
  const running = priced.filter(({ cost }) => cost <= cheapest * 2n)
  const seen = weighed(running, cheapest, input)
  const near = seen.filter(({ cost, offer }) => Number(cost) <= Number(cheapest) * 1.25 && offer.trust >= 0.5)
  const total = seen.reduce((sum, { weight }) => sum + weight, 0)
  const shareOf = (one: Seen) => {
    const drawn = one.weight / total
    if (near.length === 0) return drawn
    return drawn * (1 - CHOOSE.exploreShare) + (near.includes(one) ? CHOOSE.exploreShare / near.length : 0)
  }
  return {
    order: drawn(seen, near, input),
    weights: new Map(seen.map(({ offer, weight }) => [offer.nodeId, weight])),
    // Asked for at every offer this would be the square of their number, which no reference deserves.
    shares: seen.length > 100 ? new Map() : new Map(seen.map((one) => [one.offer.nodeId, shareOf(one)])),
  }
}

function fits(offer: Offer, input: RankInput): boolean {
  const local = input.local?.get(offer.nodeId)
  if (input.excluded?.has(offer.nodeId)) return false
  if (offer.contextTokens < (input.needsTokens ?? 0) || offer.outputTokensMax < (input.needsOutputTokens ?? 0))
    return false
  if ((local?.busyUntil ?? input.now) > input.now) return false
  return Math.max(offer.inFlight, local?.inFlight ?? 0) < offer.inFlightCap
}

function isBroken(offer: Offer, input: RankInput): boolean {
  const local = input.local?.get(offer.nodeId)
  if ((local?.brokenUntil ?? input.now) > input.now) return true
  if (offer.breaker === 'closed') return false
  const isDue = offer.breaker === 'half_open' || (offer.breakerUntil !== null && offer.breakerUntil <= input.now)
  return !isDue || Math.max(offer.inFlight, local?.inFlight ?? 0) > 0
}

function floorOf({ estimate }: RankInput): bigint {
  const tokens = (estimate.inputTokens + estimate.outputTokens) * BigInt(CHOOSE.floorPerMillion)
  const floor = (tokens + (estimate.tensorBytes ?? 0n) * BigInt(CHOOSE.bytesFloorPerMillion) + 999_999n) / 1_000_000n
  return floor > 0n ? floor : 1n
}

function weighed(running: readonly Omit<Seen, 'weight'>[], cheapest: bigint, input: RankInput): Seen[] {
  const msOf = ({ firstTokenMs, unitsPerSecond }: Offer): number | null => {
    if (firstTokenMs === null) return null
    return firstTokenMs + (unitsPerSecond ? (Number(input.estimate.outputTokens) * 1_000) / unitsPerSecond : 0)
  }
  const known = running.flatMap(({ offer }) => msOf(offer) ?? [])
  const fastest = known.reduce((low, ms) => Math.min(low, ms), Infinity)
  return running.map(({ offer, cost }) => {
    const ms = msOf(offer)
    const speed = ms === null ? CHOOSE.unknownSpeed : ms === 0 ? 1 : Math.max(CHOOSE.speedFloor, fastest / ms)
    const success = offer.breaker === 'closed' ? (offer.success ?? CHOOSE.unknownSuccess) : 1
    const price = cost < cheapest ? cheapest : cost
    const factors = [
      (Number(cheapest) / Number(price)) ** 2,
      speed,
      success ** CHOOSE.successPower,
      offer.trust,
      offer.nodeState === 'probation' ? CHOOSE.probationWeight : 1,
      1 - 0.9 * (offer.busyShare ?? 0),
      isBroken(offer, input) ? CHOOSE.brokenWeight : 1,
    ]
    return {
      offer,
      cost,
      weight: Math.max(
        CHOOSE.leastWeight,
        factors.reduce((product, factor) => product * factor),
      ),
    }
  })
}

function drawn(seen: readonly Seen[], near: readonly Seen[], input: RankInput): NodeId[] {
  const random = seededRandom(input.seed)
  const isExploring = random() < CHOOSE.exploreShare
  const even = near[Math.floor(random() * near.length)]
  const order: Seen[] = isExploring && even ? [even] : []
  while (order.length < Math.min(input.depth ?? 4, seen.length)) {
    const left = seen.filter((one) => !order.includes(one))
    let point = random() * left.reduce((sum, { weight }) => sum + weight, 0)
    const next = left.find(({ weight }) => (point -= weight) < 0) ?? left.at(-1)
    if (next) order.push(next)
  }
  return order.map(({ offer }) => offer.nodeId)
}

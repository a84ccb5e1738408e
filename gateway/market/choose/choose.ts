// Who is asked, and in which order (rule). Cheap, fast, reliable offers get more of the traffic, and none of them all of it: one weighted draw
// by a seed that is kept with the call, so that the choice can be explained and repeated. Threats that shaped it: an offer for nothing that
// would take every call (price floor), a newcomer whose health is unknown (unknown is not perfect), a dearer offer slipping in (price cap),
// a model with thousands of offers (nothing is worked out for a call that could be worked out for the snapshot).
import type { NodeId } from '../../../protocol/units.ts'
import type { Offer } from '../market-port.ts'
import { explain, freeShare, usd, type Explanation } from './explanation.ts'
import { lostOf, type Lost } from './filters.ts'
import type { RankInput } from './rank-input.ts'
import { refusalOf, type Refusal } from './refusal.ts'
import { turnsOf } from './turns.ts'
import { judge } from './weights.ts'

export type { Explanation, RankInput }

export interface Ranking {
  /** at most the depth that was asked for; empty when nobody may serve */
  readonly order: readonly NodeId[]
  readonly explanation: Explanation
  /** why the order is empty, null when it is not; refusal.ts says it in words */
  readonly refusal: Refusal | null
}

/**
 * Ranks offers for one call. With equal health, shares are as 1/price².
 * @param offers of one model, each node once; the array is never changed (prepared.ts remembers it)
 * @example prices 1 and 2, same health: shares 0.8 and 0.2 (before 1 % exploration, which reaches only offers at most 1.25 × the cheapest)
 */
export function rank(offers: readonly Offer[], input: RankInput): Ranking {
  const judged = judge(offers, input)
  const turns = turnsOf(judged, input)
  const explanation = explain(judged, turns, input)
  const { offers: byId, work } = judged.prepared
  const order = turns.positions.flatMap((position) => byId[work.running[position] ?? 0]?.nodeId ?? [])
  return { order, explanation, refusal: refusalOf(explanation) }
}

/** How one offer stands among the others, for a call without wishes. */
export interface PriceStanding {
  readonly lost: Lost | null
  /** of the estimate, decimal dollars */
  readonly price: string
  readonly cheapest: string
  /** its chance to be asked first, 0…1 */
  readonly share: number
}

/** Null: it is not one of them. */
export function standing(
  offers: readonly Offer[],
  nodeId: NodeId,
  input: Omit<RankInput, 'wishes'>,
): PriceStanding | null {
  const judged = judge(offers, input)
  const { placeOf, work } = judged.prepared
  const place = placeOf.get(nodeId)
  if (place === undefined) return null
  return {
    lost: lostOf(work.lost[place] ?? 0),
    price: usd(work.cost[place] ?? 0),
    cheapest: usd(judged.cheapest),
    share: freeShare(judged, turnsOf(judged, input), place),
  }
}

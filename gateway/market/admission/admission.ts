// Admission (rule): what becomes of a node and its offers after its endpoint was proved and probe calls came back. A new node gets a small share
// of the traffic first; one that fails is told why. States a person or an audit set (draining, suspended) are never lifted here.
import type { NodeState } from '../../../protocol/node.ts'
import type { ModelId } from '../../../protocol/units.ts'
import type { ProbeResult } from './probe.ts'
import { PROBATION } from './vesting.ts'

export type OfferState = 'pending' | 'live' | 'paused'

export const REASON = {
  unproved: 'Its endpoint has not proved yet that it belongs to this node.',
  unprobed: 'It has not answered its probe calls yet.',
  noOffer: 'None of its offers has passed its probe calls yet.',
  withdrawn: 'It was not in the last registration.',
  takenOut: 'Its operator took it out of the offers.',
  blockedByOperator: 'Its operator has blocked this model for all their nodes.',
  draining: 'It is draining: its operator wants no new calls.',
  revoked: 'Its operator took its authorisation back: register it again with the wallet.',
} as const

/** An offer under review; `probe` is null when it was not probed this time. */
export interface ReviewedOffer {
  readonly modelId: ModelId
  readonly state: OfferState
  readonly reason: string | null
  readonly probe: ProbeResult | null
}

export interface Admission {
  readonly node: { readonly state: NodeState; readonly reason: string | null }
  readonly offers: readonly Omit<ReviewedOffer, 'probe'>[]
  /** the node goes from pending to probation, or to where its history has brought it */
  readonly isAdmitted: boolean
}

/**
 * Decides after a proof. A node that served its probation before, and has moved or come back since, is active as it was.
 * @param served attempts its guard has counted @param enough of them end a probation
 * @example a pending node with one passed and one failed offer -> node in probation, first offer live, second pending with its reason
 */
export function admit(
  node: { readonly state: NodeState; readonly reason: string | null },
  reviewed: readonly ReviewedOffer[],
  served: number,
  enough: number = PROBATION.attempts,
): Admission {
  const offers = reviewed.map(afterProbe)
  if (node.state !== 'pending') return { node, offers, isAdmitted: false }
  if (!offers.some(({ state }) => state === 'live'))
    return { node: { state: 'pending', reason: REASON.noOffer }, offers, isAdmitted: false }
  return { node: { state: earnedState(served, enough), reason: null }, offers, isAdmitted: true }
}

/** What a node that may serve has earned by serving. */
export const earnedState = (served: number, enough: number = PROBATION.attempts): 'probation' | 'active' =>
  served >= enough ? 'active' : 'probation'

function afterProbe({ modelId, state, reason, probe }: ReviewedOffer): Omit<ReviewedOffer, 'probe'> {
  if (state !== 'pending' || probe === null) return { modelId, state, reason }
  if (probe.ok) return { modelId, state: 'live', reason: null }
  return { modelId, state: 'pending', reason: probe.detail ?? REASON.unprobed }
}

// What a choice is made for: one call as it is estimated, its seed, what its caller wishes, and what this isolate has just seen itself.
import type { Units } from '../../../protocol/price.ts'
import type { Instant, NodeId } from '../../../protocol/units.ts'
import type { LocalJudgement } from '../market-port.ts'
import type { Wishes } from './wishes.ts'

export interface RankInput {
  readonly seed: string
  readonly now: Instant
  /** what the call is expected to use at most: prices are compared for exactly this */
  readonly estimate: Units
  /** nodes that may not be asked */
  readonly excluded?: ReadonlySet<NodeId>
  /** no other nodes than these may be asked; absent: all */
  readonly permitted?: ReadonlySet<NodeId>
  /** absent: NO_WISHES */
  readonly wishes?: Wishes
  /** what this isolate has just seen of nodes itself */
  readonly local?: ReadonlyMap<NodeId, LocalJudgement>
  /** input and output together must fit the offer's context */
  readonly needsTokens?: number
  /** output the offer must permit */
  readonly needsOutputTokens?: number
  /** nodes to be asked in turn at most; absent: LIMITS.attemptsMax */
  readonly depth?: number
}

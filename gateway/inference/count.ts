// Count (rule): what of a node's claim is believed. A claim counts up to what the relayed bytes can be in tokens and up to what was ordered.
// Without one, nothing of the input is charged, and of the output only what its bytes prove. Nothing here depends on how a node cut its stream.
import type { NodeUsageClaim } from '../../protocol/node.ts'
import type { Units } from '../../protocol/price.ts'
import { tokens } from '../../protocol/units.ts'

export interface Observed {
  /** the node's latest cumulative usage; null while it has said none that is one */
  readonly claim: NodeUsageClaim | null
  /** UTF-8 bytes of output that arrived */
  readonly outputBytes: number
  readonly bytesPerTokenMin: number
  /** the most this call can use: see quote.ts */
  readonly most: Units
  /** answers the call may have; absent: one */
  readonly choices?: number
}

/** Few tokens of any vocabulary are longer: so many bytes are at least one token, and a caller is never charged for more than it got. */
const UNCLAIMED_BYTES_PER_TOKEN = 16

/** @example countUnits({ claim: { prompt_tokens: 9, completion_tokens: 1e6 }, outputBytes: 20, bytesPerTokenMin: 1, … }).outputTokens // 20n */
export function countUnits(observed: Observed): Units {
  const { claim, outputBytes, most } = observed
  const outputMax = relayedBound(observed)
  if (!claim) {
    const proved = Math.ceil(outputBytes / UNCLAIMED_BYTES_PER_TOKEN)
    return { inputTokens: tokens(0), outputTokens: tokens(Math.min(proved, outputMax)) }
  }
  return {
    inputTokens: tokens(Math.min(claim.prompt_tokens, Number(most.inputTokens))),
    outputTokens: tokens(Math.min(claim.completion_tokens, outputMax)),
  }
}

/** The most tokens that what arrived can be. */
export const relayedBound = ({ outputBytes, bytesPerTokenMin, most }: Omit<Observed, 'claim'>): number =>
  Math.min(Math.ceil(outputBytes / bytesPerTokenMin), Number(most.outputTokens))

/** True when the node says it produced more than was ordered: the relay stops there. */
export function isOverOrder({ claim, most }: Observed): boolean {
  return claim !== null && claim.completion_tokens > Number(most.outputTokens)
}

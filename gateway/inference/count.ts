// Count (rule): what of a node's claim is believed. A claim counts up to what the relayed bytes can be in tokens and up to what was ordered;
// a claim that is no number is ignored; without one, nothing of the input is charged, and of the output only what events prove.
import { NodeUsageClaim } from '../../protocol/node.ts'
import type { Units } from '../../protocol/price.ts'
import { tokens } from '../../protocol/units.ts'

export interface Observed {
  /** the node's latest cumulative usage, as it sent it */
  readonly claim: unknown
  /** UTF-8 bytes of output that arrived */
  readonly outputBytes: number
  /** events with output that arrived */
  readonly outputEvents: number
  readonly bytesPerTokenMin: number
  /** the most this call can use: see quote.ts */
  readonly most: Units
}

/** @example countUnits({ claim: { prompt_tokens: 9, completion_tokens: 1e6 }, outputBytes: 20, bytesPerTokenMin: 1, … }).outputTokens // 20n */
export function countUnits(observed: Observed): Units {
  const byBytes = Math.ceil(observed.outputBytes / observed.bytesPerTokenMin)
  const outputMax = Math.min(byBytes, Number(observed.most.outputTokens))
  const claim = NodeUsageClaim.safeParse(observed.claim)
  if (!claim.success) {
    return { inputTokens: tokens(0), outputTokens: tokens(Math.min(observed.outputEvents, outputMax)) }
  }
  return {
    inputTokens: tokens(Math.min(claim.data.prompt_tokens, Number(observed.most.inputTokens))),
    outputTokens: tokens(Math.min(claim.data.completion_tokens, outputMax)),
  }
}

/** True when the node says it produced more than was ordered: the relay stops there. */
export function isOverOrder(observed: Observed): boolean {
  const claim = NodeUsageClaim.safeParse(observed.claim)
  return claim.success && claim.data.completion_tokens > Number(observed.most.outputTokens)
}

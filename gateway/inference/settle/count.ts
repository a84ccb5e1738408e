// Count (rule): what of a node's claim is believed. A claim counts up to what the relayed bytes can be in tokens and up to what was ordered.
// Without one, nothing of the input is charged, and of the output only what its bytes prove. Nothing here depends on how a node cut its stream.
// Of a node that went on with another's answer only what it added counts: as much of its claim as that is of its bytes.
import type { NodeUsageClaim } from '../../../protocol/node.ts'
import type { Units } from '../../../protocol/price.ts'
import { tokens } from '../../../protocol/units.ts'

export interface Observed {
  /** the node's latest cumulative usage; null while it has said none that is one */
  readonly claim: NodeUsageClaim | null
  /** UTF-8 bytes of output that arrived, and are its part of the answer */
  readonly outputBytes: number
  /** bytes besides, which only repeated what others had delivered; absent: none */
  readonly repeatedBytes?: number
  /** by others before, of the same answer; absent: nothing */
  readonly delivered?: Delivered | null
  readonly bytesPerTokenMin: number
  /** the most this call can use: see order/quote.ts */
  readonly most: Units
  /** answers the call may have; absent: one */
  readonly choices?: number
}

interface Delivered {
  readonly tokens: number
  readonly bytes: number
  /** it was given to this node to go on from: so it is a part of what the node read, which nobody pays for twice */
  readonly isInput: boolean
}

/** Few tokens of any vocabulary are longer: so many bytes are at least one token, and a caller is never charged for more than it got. */
export const UNCLAIMED_BYTES_PER_TOKEN = 16

/** @example countUnits({ claim: { prompt_tokens: 9, completion_tokens: 1e6 }, outputBytes: 20, bytesPerTokenMin: 1, … }).outputTokens // 20n */
export function countUnits(observed: Observed): Units {
  const { claim, outputBytes, most } = observed
  const outputMax = relayedBound(observed)
  if (!claim) {
    const proved = Math.ceil(outputBytes / UNCLAIMED_BYTES_PER_TOKEN)
    return { inputTokens: tokens(0), outputTokens: tokens(Math.min(proved, outputMax)) }
  }
  return {
    inputTokens: tokens(Math.min(claim.prompt_tokens - read(observed, claim), Number(most.inputTokens))),
    outputTokens: tokens(Math.min(addedOf(observed, claim), outputMax)),
  }
}

/** The most tokens that what it added can be. */
const relayedBound = ({ outputBytes, bytesPerTokenMin, most, delivered }: Observed): number =>
  Math.min(Math.ceil(outputBytes / bytesPerTokenMin), Math.max(0, Number(most.outputTokens) - (delivered?.tokens ?? 0)))

/** The most tokens that all it said can be, whether or not others had said it before. */
export const saidBound = ({
  outputBytes,
  repeatedBytes = 0,
  bytesPerTokenMin,
  most,
}: Omit<Observed, 'claim'>): number =>
  Math.min(Math.ceil((outputBytes + repeatedBytes) / bytesPerTokenMin), Number(most.outputTokens))

/** @example a claim of 10 tokens for 30 bytes, of which 20 repeated others // 3 */
function addedOf(observed: Observed, { completion_tokens }: NodeUsageClaim): number {
  const { outputBytes, repeatedBytes = 0 } = observed
  if (repeatedBytes === 0) return completion_tokens
  const said = Math.min(completion_tokens, saidBound(observed))
  return Math.round((said * outputBytes) / (outputBytes + repeatedBytes))
}

/** Its count of the whole answer so far, where it said all of that itself; null: of what others said only they have a count. */
export function wholeCount(observed: Observed): number | null {
  const { delivered, outputBytes, repeatedBytes = 0 } = observed
  if (delivered && repeatedBytes < delivered.bytes) return null
  const alone = { ...observed, outputBytes: outputBytes + repeatedBytes, repeatedBytes: 0, delivered: null }
  return Number(countUnits(alone).outputTokens)
}

/** Tokens of its input that are others' output. */
const read = ({ delivered }: Observed, { prompt_tokens }: NodeUsageClaim): number =>
  delivered?.isInput ? Math.min(prompt_tokens, delivered.tokens) : 0

/**
 * True when the node says it produced more than was ordered, and its bytes may be as many tokens: the relay stops there. A claim that cannot be is a lie
 * about the bill, and must not cut an answer short.
 */
export function isOverOrder({
  claim,
  most,
  delivered,
  outputBytes,
  repeatedBytes = 0,
  bytesPerTokenMin,
}: Observed): boolean {
  const before = delivered?.isInput ? delivered.tokens : 0
  if (!claim || claim.completion_tokens <= Number(most.outputTokens) - before) return false
  return claim.completion_tokens <= Math.ceil((outputBytes + repeatedBytes) / bytesPerTokenMin)
}

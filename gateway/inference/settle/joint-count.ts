// The count of an answer that several nodes told in turn (rule). Each of them is counted by itself, and each count is rounded up: together they are
// never more than one node would be paid for the whole. Who is last has its count, and who broke off bears what is over.
import { UNCLAIMED_BYTES_PER_TOKEN } from './count.ts'

/** What one node added to the answer. */
export interface ToldPart {
  /** its own count of what it added */
  readonly tokens: number
  /** its count of everything until then, where it said all of that again; null where it went on from there */
  readonly wholeTokens: number | null
  /** its counts are what it said itself, and not only what its bytes prove */
  readonly isClaimed: boolean
  /** UTF-8, of what it added */
  readonly outputBytes: number
  readonly bytesPerTokenMin: number
  /** ordered of the whole answer */
  readonly tokensMax: number
}

/**
 * Tokens each one is paid for, in their order.
 * @example 20 bytes and then 10, of nobody who counts: 2 and 1 by themselves, 2 as one text // [1, 1]
 */
export function jointTokens(parts: readonly ToldPart[]): number[] {
  let left = wholeTokens(parts)
  return [...parts]
    .reverse()
    .map(({ tokens }) => {
      const own = Math.min(tokens, left)
      left -= own
      return own
    })
    .reverse()
}

/** What the whole would count as, had one node told it. Whoever said all of it has counted all of it; what nobody counted is one text. */
function wholeTokens(parts: readonly ToldPart[]): number {
  let [claimed, unclaimedBytes, bytes] = [0, 0, 0]
  let most = Infinity
  for (const part of parts) {
    bytes += part.outputBytes
    if (part.wholeTokens !== null) [claimed, unclaimedBytes] = part.isClaimed ? [part.wholeTokens, 0] : [0, bytes]
    else if (part.isClaimed) claimed += part.tokens
    else unclaimedBytes += part.outputBytes
    most = Math.min(part.tokensMax, Math.ceil(bytes / part.bytesPerTokenMin))
  }
  return Math.min(claimed + Math.ceil(unclaimedBytes / UNCLAIMED_BYTES_PER_TOKEN), most)
}

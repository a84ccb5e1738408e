// How long one attempt may take until its first output (rule). While another node can be asked, its head and its first output together have a few
// seconds, so that a silent or slow one costs its caller no more; the last one has the long limits, for then waiting is all there is.
import { NODE_PATHS } from '../../../protocol/node.ts'
import { firstTokenMsPerByte, firstTokenMsPerInputToken, type CallTimeouts } from '../../core/limits.ts'
import type { Candidate } from '../order/order.ts'

export interface AttemptTimes {
  /** ms until the head of its answer */
  readonly headMs: number
  /** ms from the head until its first output. @param passedMs until the head came */
  readonly outputMs: (passedMs: number) => number
  /** ms between two outputs that a caller has not seen: another node can begin anew */
  readonly unseenGapMs: number
}

interface Asked {
  /** of the node */
  readonly path: string
  readonly candidate: Pick<Candidate, 'most'>
  readonly body: string | Uint8Array
  readonly hasAnother: boolean
}

/** @example a chat of 100 tokens, another node left: 10 s for both; the last node: 10 s for its head, then 20.2 s */
export function attemptTimes(timeouts: CallTimeouts, { path, candidate, body, hasAnother }: Asked): AttemptTimes {
  const { connectMs, firstTokenMs, failOverMs, gapMs } = timeouts
  const tensorBytes = typeof body === 'string' ? 0 : body.byteLength
  // A longer input has to be received and walked through.
  const inputMs = firstTokenMsPerInputToken * Number(candidate.most.inputTokens) + firstTokenMsPerByte * tensorBytes
  const firstMs = firstTokenMs + inputMs
  // Only text comes while it is computed. The head of vectors and tensors comes with them.
  const isText = path === NODE_PATHS.chat || path === NODE_PATHS.completions
  const headMs = isText ? connectMs : connectMs + firstMs
  if (!hasAnother) return { headMs, outputMs: () => firstMs, unseenGapMs: gapMs }
  const bothMs = Math.max(failOverMs, inputMs)
  return {
    headMs: Math.min(headMs, bothMs),
    outputMs: (passedMs) => Math.min(firstMs, Math.max(1, bothMs - passedMs)),
    unseenGapMs: Math.min(gapMs, failOverMs),
  }
}

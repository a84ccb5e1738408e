// Settling behind the answer: when the account's guard stayed away while a call ended, its end is sent again for as long as the runtime lets
// us live. Otherwise the hold would run out, and the last progress be charged for a call that had failed.
import { tokens, type Instant } from '../../../protocol/units.ts'
import { logError } from '../../core/errors.ts'
import type { CallEnd } from '../../ledger/account-port.ts'
import type { Order } from '../order/order.ts'

/** ms before the first try; each further pause is twice as long, as far as there is time */
const FIRST_PAUSE_MS = 500

/**
 * Whether this end should still come through though its caller was told that it is unknown. Not a whole answer that nobody has got and nobody
 * can get again: without it the hold runs out, and costs nothing.
 */
export const maySettleLater = ({ outcome, kept, detail }: CallEnd): boolean =>
  outcome !== 'complete' || detail.stream || kept !== null

/**
 * The end of a call whose hold was never answered: it may stand all the same, and would keep its money, and its Idempotency-Key busy, until it
 * ran out.
 */
export const neverBegun = ({ callId, startedAt, stream, explanations }: Order, endedAt: Instant): CallEnd => ({
  callId,
  outcome: 'failed',
  errorCode: 'unavailable',
  nodeId: null,
  inputTokens: tokens(0),
  outputTokens: tokens(0),
  legs: [],
  startedAt,
  firstTokenAt: null,
  endedAt,
  receiptHash: null,
  ticketHash: null,
  priceVersion: null,
  detail: { stream, attempts: [], choice: explanations, receipt: null, salt: null, ticket: null, claimed: null },
  kept: null,
})

/**
 * In the same words each time, so that it counts once whatever became of the tries before. Never throws.
 * @param forMs how long, all pauses together
 */
export async function settleLater(
  end: Pick<CallEnd, 'callId'>,
  capture: () => Promise<unknown>,
  forMs: number,
): Promise<void> {
  for (let passedMs = 0, pauseMs = 0; passedMs < forMs; passedMs += pauseMs) {
    pauseMs = Math.min(passedMs + FIRST_PAUSE_MS, forMs - passedMs)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    try {
      await capture()
      return
    } catch (error) {
      logError(error, end.callId)
    }
  }
}

// Settling behind the answer: when the account's guard stayed away while a call ended, its end is sent again for as long as the runtime lets
// us live. Otherwise the hold would run out, and the last progress be charged for a call that had failed.
import { logError } from '../core/errors.ts'
import type { CallEnd } from '../ledger/account-port.ts'

/** ms before each further try: 23 seconds in all, because waitUntil ends half a minute after the response */
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000, 7_500]

/**
 * Whether this end should still come through though its caller was told that it is unknown. Not a whole answer that nobody has got and nobody
 * can get again: without it the hold runs out, and costs nothing.
 */
export const maySettleLater = ({ outcome, kept, detail }: CallEnd): boolean =>
  outcome !== 'complete' || detail.stream || kept !== null

/** In the same words each time, so that it counts once whatever became of the tries before. Never throws. */
export async function settleLater(end: Pick<CallEnd, 'callId'>, capture: () => Promise<unknown>): Promise<void> {
  for (const pauseMs of PAUSES_MS) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    try {
      await capture()
      return
    } catch (error) {
      logError(error, end.callId)
    }
  }
}

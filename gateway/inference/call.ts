// The flow of one metered call: hold, attempts until one serves (attempts/attempts.ts) or several that must agree (quorum), one settle, and only then the
// final word to the caller. An acknowledged call is a captured call.
import { tokens, type Instant, type Tokens } from '../../protocol/units.ts'
import { assert } from '../core/errors.ts'
import { HOLD_GRACE_MS } from '../core/limits.ts'
import type { Accounts, Held, HoldRequest, Reply } from '../ledger/account-port.ts'
import type { AttemptNeeds, Serve } from './attempts/attempt.ts'
import { attemptInTurn } from './attempts/attempts.ts'
import { CallerGone, timedOut } from './attempts/failure.ts'
import type { RetriesOf } from './attempts/retry-budget.ts'
import type { Deniers } from './order/deniers.ts'
import type { Background, Caller, Order } from './order/order.ts'
import type { IsAlike } from './quorum/agreement.ts'
import { askTogether } from './quorum/ask-together.ts'
import type { Answered } from './receipts/receipt-check.ts'
import { neverBegun, settleLater } from './settle/settle-later.ts'
import { settle, surely, type CapturedCall, type Kept } from './settle/settle.ts'

export interface CallNeeds extends AttemptNeeds {
  readonly accounts: Accounts
  /** what this isolate has left for further attempts */
  readonly retries: RetriesOf
  /** accounts that this isolate knows to deny data collection; absent: each call asks its guard anew */
  readonly deniers?: Deniers
  /** configured life of a hold; null: the longest call and a grace */
  readonly holdDeadlineMs: number | null
}

/** The one admission decision, as the guard says it. @throws GatewayError unavailable when the guard cannot be reached */
export async function askHold(needs: CallNeeds, order: Order, background: Background): Promise<Reply<Held>> {
  const { accountId, keyId, secretHash } = order.principal
  const request: HoldRequest = {
    callId: order.callId,
    keyId,
    secretHash,
    modelId: order.model.id,
    fallbackModelIds: [...new Set(order.candidates.map(({ model }) => model.id))].filter((id) => id !== order.model.id),
    nodeIds: order.candidates.map(({ offer }) => offer.nodeId),
    collectsData: order.candidates.some(({ offer }) => offer.collectsData),
    amountNanos: order.holdNanos,
    tokensMax: mostTokens(order),
    deadline: (order.startedAt + holdMs(needs)) as Instant, // a sum of an instant and milliseconds is an instant
    idempotency: order.once?.request ?? null,
  }
  return surely(order, () => needs.accounts(accountId).hold(request)).catch((error: unknown) => {
    const end = neverBegun(order, needs.clock())
    background(settleLater(end, () => needs.accounts(accountId).capture(end), needs.timeouts.settleLaterMs))
    throw error
  })
}

/**
 * Attempts and settlement of a held call.
 * @param isAlike of two whole answers, where several nodes may have to agree; null: what is read is no whole answer
 * @throws GatewayError when nothing could be served (nothing is charged); CallerGone when the caller left (what arrived is charged)
 */
export async function runCall<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  serve: Serve<Answer>,
  caller: Caller,
  kept: Kept<Answer>,
  isAlike: IsAlike<Answer> | null,
): Promise<CapturedCall<Answer>> {
  const call = new AbortController()
  const leave = () => call.abort(new CallerGone('the caller left'))
  if (caller.signal.aborted) leave()
  else caller.signal.addEventListener('abort', leave, { once: true })
  // Counted from when the hold's own time began, however long the guard took to answer.
  const total = setTimeout(() => call.abort(timedOut()), order.startedAt + callMs(needs) - needs.clock())
  try {
    assert(!order.bench || isAlike, 'only whole answers can agree')
    const run = await (order.bench && isAlike
      ? askTogether(needs, order, order.bench, serve, isAlike, call, caller)
      : attemptInTurn(needs, order, serve, call, caller))
    return await settle(needs, order, run, kept, caller.background)
  } finally {
    clearTimeout(total)
    caller.signal.removeEventListener('abort', leave)
  }
}

/** ms before the end of a hold at which the relay stops, so that it settles before the guard does */
const SETTLE_MARGIN_MS = 500

/** ms a call may take, from its beginning to its settlement */
export const callMs = (needs: CallNeeds): number => Math.min(needs.timeouts.totalMs, holdMs(needs) - SETTLE_MARGIN_MS)

const holdMs = (needs: CallNeeds): number => needs.holdDeadlineMs ?? needs.timeouts.totalMs + HOLD_GRACE_MS

function mostTokens({ candidates, bench }: Order): Tokens {
  const ofEach = candidates.map(({ most: { inputTokens, outputTokens } }) => inputTokens + outputTokens)
  return tokens(ofEach.reduce(max, 0n) * BigInt(bench?.n ?? 1))
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)

// The flow of one metered call: hold, attempts until one serves, one settle, and only then the final word to the caller.
// One attempt at a time; another node is asked only while nothing has reached the caller. An acknowledged call is a captured call.
import { tokens, type Instant, type Tokens } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { HOLD_GRACE_MS } from '../core/limits.ts'
import type { Accounts, AttemptRecord, Held, HoldRequest, Reply } from '../ledger/account-port.ts'
import { runAttempt, type AttemptNeeds, type Serve } from './attempt.ts'
import { CallerGone, timedOut, verdict } from './failure.ts'
import { Meter } from './meter.ts'
import { nextAttempt, type Failed } from './next-attempt.ts'
import type { Background, Caller, Order } from './order.ts'
import type { Answered } from './receipt-check.ts'
import { neverBegun, settleLater } from './settle-later.ts'
import { settle, surely, type CallRun, type CapturedCall, type Kept } from './settle.ts'

export interface CallNeeds extends AttemptNeeds {
  readonly accounts: Accounts
  readonly feeBps: number
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
 * @throws GatewayError when nothing could be served (nothing is charged); CallerGone when the caller left (what arrived is charged)
 */
export async function runCall<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  serve: Serve<Answer>,
  caller: Caller,
  kept: Kept<Answer>,
): Promise<CapturedCall<Answer>> {
  const call = new AbortController()
  const leave = () => call.abort(new CallerGone('the caller left'))
  if (caller.signal.aborted) leave()
  else caller.signal.addEventListener('abort', leave, { once: true })
  // Counted from when the hold's own time began, however long the guard took to answer.
  const total = setTimeout(() => call.abort(timedOut()), order.startedAt + callMs(needs) - needs.clock())
  try {
    const run = await attemptInTurn(needs, order, serve, call, caller)
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

async function attemptInTurn<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  serve: Serve<Answer>,
  call: AbortController,
  caller: Caller,
): Promise<CallRun<Answer>> {
  const account = needs.accounts(order.principal.accountId)
  const attempts: AttemptRecord[] = []
  const failed: Failed[] = []
  let position = 0
  for (;;) {
    const candidate = order.candidates[position]
    if (!candidate) throw new GatewayError('no_provider')
    const bounds = { account, feeBps: needs.feeBps, progressMs: needs.timeouts.progressMs }
    const meter = new Meter(order, candidate, attempts.length, bounds, needs.clock())
    const end = await runAttempt(needs, order, meter, serve, call, caller)
    attempts.push(end.record)
    if (end.served) return { end, meter, paid: [meter], attempts, failure: null }
    if (end.failure instanceof CallerGone)
      return { end, meter, paid: meter.hasOutput ? [meter] : [], attempts, failure: end.failure }
    failed.push({ position, failure: end.failure })
    // Who does not stream has nothing before the end: a broken attempt is thrown away whole.
    const hasReachedCaller = order.stream && meter.hasOutput
    const mayResume = hasReachedCaller ? () => false : null
    const next = nextAttempt({ candidates: order.candidates, failed, mayResume, mayRetry: true, random: 0 })
    if (next.do === 'stop' || call.signal.aborted) {
      const all = failed.map(({ failure }) => failure)
      return { end, meter, paid: [], attempts, failure: hasReachedCaller ? end.failure : verdict(all) }
    }
    position = next.position
  }
}

const mostTokens = ({ candidates }: Order): Tokens =>
  tokens(
    candidates.reduce((most, { most: { inputTokens, outputTokens } }) => max(most, inputTokens + outputTokens), 0n),
  )

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)

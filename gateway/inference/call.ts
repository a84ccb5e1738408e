// The flow of one metered call: hold, attempts until one serves, one settle, and only then the final word to the caller.
// One attempt at a time; another node is asked only while nothing has reached the caller. An acknowledged call is a captured call.
import type { Instant, Nanos } from '../../protocol/units.ts'
import { sha256Hex } from '../../protocol/canonical.ts'
import type { Units } from '../../protocol/price.ts'
import { GatewayError, logError } from '../core/errors.ts'
import { HOLD_GRACE_MS } from '../core/limits.ts'
import type { Accounts, AttemptRecord, CallEnd, Held, HoldRequest, Reply } from '../ledger/account-port.ts'
import type { Offer } from '../market/market-port.ts'
import { runAttempt, type AttemptEnd, type AttemptNeeds, type Serve } from './attempt.ts'
import { CallerGone, timedOut, verdict, type AttemptFailure } from './failure.ts'
import { Meter } from './meter.ts'
import type { Background, Caller, Order } from './order.ts'
import type { Answered } from './receipt-check.ts'
import type { KeptAnswer } from './replay.ts'
import { maySettleLater, neverBegun, settleLater } from './settle-later.ts'

export interface CallNeeds extends AttemptNeeds {
  readonly accounts: Accounts
  readonly feeBps: number
  /** configured life of a hold; null: the longest call and a grace */
  readonly holdDeadlineMs: number | null
}

/** A captured call. */
export interface CapturedCall<Answer> {
  readonly answer: Answer
  readonly offer: Offer
  readonly units: Units
  readonly chargeNanos: Nanos
  readonly receipt: string | null
  readonly salt: string
}

/** What is kept of a whole answer for who repeats the request; null when it is too long. */
type Kept<Answer> = (call: CapturedCall<Answer>) => KeptAnswer | null

/** The one admission decision, as the guard says it. @throws GatewayError unavailable when the guard cannot be reached */
export async function askHold(needs: CallNeeds, order: Order, background: Background): Promise<Reply<Held>> {
  const { accountId, keyId, secretHash } = order.principal
  const request: HoldRequest = {
    callId: order.callId,
    keyId,
    secretHash,
    modelId: order.model.id,
    nodeIds: order.offers.map(({ nodeId }) => nodeId),
    amountNanos: order.holdNanos,
    tokensMax: addTokens(order.most),
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

interface Run<Answer> {
  readonly end: AttemptEnd<Answer>
  readonly meter: Meter
  readonly attempts: readonly AttemptRecord[]
  /** of all attempts, what the caller is told */
  readonly failure: AttemptFailure | CallerGone | null
}

async function attemptInTurn<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  serve: Serve<Answer>,
  call: AbortController,
  caller: Caller,
): Promise<Run<Answer>> {
  const account = needs.accounts(order.principal.accountId)
  const attempts: AttemptRecord[] = []
  const failures: AttemptFailure[] = []
  for (const [attempt, offer] of order.offers.entries()) {
    const meter = new Meter(
      order,
      offer,
      attempt,
      { account, feeBps: needs.feeBps, progressMs: needs.timeouts.progressMs },
      needs.clock(),
    )
    const end = await runAttempt(needs, order, meter, serve, call, caller)
    attempts.push(end.record)
    if (end.served) return { end, meter, attempts, failure: null }
    if (end.failure instanceof CallerGone) return { end, meter, attempts, failure: end.failure }
    failures.push(end.failure)
    // Who does not stream has nothing before the end: a broken attempt is thrown away whole.
    const hasReachedCaller = order.stream && meter.hasOutput
    const mayGoOn =
      end.failure.isRetryable && !hasReachedCaller && !call.signal.aborted && attempt + 1 < order.offers.length
    if (!mayGoOn) return { end, meter, attempts, failure: hasReachedCaller ? end.failure : verdict(failures) }
  }
  throw new GatewayError('no_provider')
}

async function settle<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  run: Run<Answer>,
  kept: Kept<Answer>,
  background: Background,
): Promise<CapturedCall<Answer>> {
  const { end, meter, failure } = run
  const isCharged = end.served || (failure instanceof CallerGone && meter.hasOutput)
  const receipt = end.served ? (end.receipt?.jws ?? null) : null
  const salt = end.served ? end.ticket.salt : null
  const units = meter.units()
  const nothing = { inputTokens: 0n, outputTokens: 0n } as Units // zero is a valid count
  const settled = isCharged ? units : nothing
  const { offer } = meter
  const chargeNanos = meter.chargeNanos()
  const served = end.served ? { answer: end.answer, offer, units, chargeNanos, receipt, salt: end.ticket.salt } : null
  const callEnd: CallEnd = {
    callId: order.callId,
    outcome: end.served ? 'complete' : failure instanceof CallerGone ? 'cancelled' : 'failed',
    errorCode: failure === null ? null : failure instanceof CallerGone ? 'cancelled' : failure.code,
    nodeId: meter.offer.nodeId,
    ...settled,
    legs: isCharged ? meter.legs() : [],
    startedAt: order.startedAt,
    firstTokenAt: end.firstOutputAt as Instant | null, // the clock's own reading
    endedAt: needs.clock(),
    receiptHash: receipt === null ? null : sha256Hex(receipt),
    ticketHash: end.ticketJws === null ? null : sha256Hex(end.ticketJws),
    priceVersion: meter.offer.priceVersion,
    detail: {
      stream: order.stream,
      attempts: run.attempts,
      choice: order.explanation,
      receipt,
      salt,
      ticket: end.ticketJws,
      claimed: meter.claimed(),
    },
    kept: order.once && served ? await order.once.keep(() => kept(served)) : null,
  }
  const capture = () => needs.accounts(order.principal.accountId).capture(callEnd)
  const captured = await surely(order, capture).catch((error: unknown) => {
    if (maySettleLater(callEnd)) background(settleLater(callEnd, capture, needs.timeouts.settleLaterMs))
    throw error
  })
  if (failure instanceof CallerGone) throw failure
  // Before the failure, which would say that nothing was charged: a hold that ran out was charged by its progress.
  if (!captured.ok) throw new GatewayError(captured.code)
  if (failure) throw refusedWith(failure)
  if (!served) throw new GatewayError('internal_error')
  return { ...served, chargeNanos: captured.chargeNanos }
}

/** Hold and capture may be repeated with one effect, so a lost reply is asked for again, in the same words, before the caller is told anything. */
async function surely<T>(order: Order, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      logError(error, order.callId)
      if (tries === GUARD_TRIES) throw new GatewayError('unavailable', { cause: error })
      await new Promise((resolve) => setTimeout(resolve, GUARD_PAUSE_MS * 4 ** (tries - 1)))
    }
  }
}

const GUARD_TRIES = 4
/** ms before the second try, four times as long before each further one: a guard that is being moved is back within a second */
const GUARD_PAUSE_MS = 50

/** What the caller is told of it: when to come back, or what to leave out. */
function refusedWith({ code, cause, options: { detail } }: AttemptFailure): GatewayError {
  if (code === 'unsupported_parameter') return new GatewayError(code, { cause, detail: UNSUPPORTED })
  const mayComeBack = code === 'provider_busy' || code === 'no_provider'
  const told = { ...(mayComeBack ? { retryAfterSeconds: 1 } : {}), ...(detail === undefined ? {} : { detail }) }
  return new GatewayError(code, { cause, ...told })
}

const UNSUPPORTED =
  'None of the providers that serve this model now honours every parameter of this request: leave out what is not needed of it.'

const addTokens = (units: Units) => (units.inputTokens + units.outputTokens) as Units['inputTokens'] // a sum of counts is a count

// The flow of one metered call: hold, attempts until one serves, one settle, and only then the final word to the caller.
// One attempt at a time; another node is asked only while nothing has reached the caller. An acknowledged call is a captured call.
import { toUsd, type Instant, type Nanos } from '../../protocol/units.ts'
import { sha256Hex } from '../../protocol/canonical.ts'
import { importPublicKey } from '../../protocol/keys.ts'
import { verifyReceipt } from '../../protocol/receipt.ts'
import type { Units } from '../../protocol/price.ts'
import type { Ticket } from '../../protocol/ticket.ts'
import { GatewayError, logError } from '../core/errors.ts'
import { HOLD_GRACE_MS } from '../core/limits.ts'
import type { Accounts, AttemptRecord, CallEnd } from '../ledger/account-port.ts'
import type { Offer } from '../market/market-port.ts'
import { runAttempt, type AttemptEnd, type AttemptNeeds, type Serve } from './attempt.ts'
import { CallerGone, timedOut, verdict, type AttemptFailure } from './failure.ts'
import { Meter } from './meter.ts'
import type { Background, Order } from './order.ts'

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

export interface Answered {
  readonly receipt: string | null
}

/** The one admission decision. @throws GatewayError with the guard's refusal */
export async function holdFor(needs: CallNeeds, order: Order): Promise<void> {
  const { accountId, keyId, secretHash } = order.principal
  const held = await needs.accounts(accountId).hold({
    callId: order.callId,
    keyId,
    secretHash,
    modelId: order.model.id,
    amountNanos: order.holdNanos,
    tokensMax: addTokens(order.most),
    deadline: (order.startedAt + holdMs(needs)) as Instant, // a sum of an instant and milliseconds is an instant
  })
  if (held.ok) return
  const isAboutMoney = held.code === 'insufficient_funds' || held.code === 'key_budget_exceeded'
  throw new GatewayError(held.code, {
    detail: held.detail ?? (isAboutMoney ? `The most this call can cost is $${toUsd(order.holdNanos)}.` : undefined),
    ...(held.retryAfterMs === undefined ? {} : { retryAfterSeconds: Math.ceil(held.retryAfterMs / 1000) }),
  })
}

/**
 * Attempts and settlement of a held call. @param caller aborts when the caller leaves
 * @throws GatewayError when nothing could be served (nothing is charged); CallerGone when the caller left (what arrived is charged)
 */
export async function runCall<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  serve: Serve<Answer>,
  caller: AbortSignal,
  background: Background,
): Promise<CapturedCall<Answer>> {
  const call = new AbortController()
  const leave = () => call.abort(new CallerGone('the caller left'))
  if (caller.aborted) leave()
  else caller.addEventListener('abort', leave, { once: true })
  const total = setTimeout(
    () => call.abort(timedOut()),
    Math.min(needs.timeouts.totalMs, holdMs(needs) - SETTLE_MARGIN_MS),
  )
  try {
    const run = await attemptInTurn(needs, order, serve, call, background)
    return await settle(needs, order, run)
  } finally {
    clearTimeout(total)
    caller.removeEventListener('abort', leave)
  }
}

/** ms before the end of a hold at which the relay stops, so that it settles before the guard does */
const SETTLE_MARGIN_MS = 500

const holdMs = (needs: CallNeeds): number => needs.holdDeadlineMs ?? needs.timeouts.totalMs + HOLD_GRACE_MS

interface Run<Answer> {
  readonly end: AttemptEnd<Answer>
  readonly meter: Meter
  readonly attempts: readonly AttemptRecord[]
  /** of all attempts, what the caller is told */
  readonly failure: AttemptFailure | CallerGone | null
}

async function attemptInTurn<Answer>(
  needs: CallNeeds,
  order: Order,
  serve: Serve<Answer>,
  call: AbortController,
  background: Background,
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
    const end = await runAttempt(needs, order, meter, serve, call, background)
    attempts.push(end.record)
    if (end.served) return { end, meter, attempts, failure: null }
    if (end.failure instanceof CallerGone) return { end, meter, attempts, failure: end.failure }
    failures.push(end.failure)
    const mayGoOn =
      end.failure.isRetryable && !meter.hasOutput && !call.signal.aborted && attempt + 1 < order.offers.length
    if (!mayGoOn) return { end, meter, attempts, failure: meter.hasOutput ? end.failure : verdict(failures) }
  }
  throw new GatewayError('no_provider')
}

async function settle<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  run: Run<Answer>,
): Promise<CapturedCall<Answer>> {
  const { end, meter, failure } = run
  const isCharged = end.served || (failure instanceof CallerGone && meter.hasOutput)
  const receipt = end.served ? await checkedReceipt(end.answer.receipt, meter.offer, end.ticket) : null
  const salt = end.served ? end.ticket.salt : null
  const units = meter.units()
  const nothing = { inputTokens: 0n, outputTokens: 0n } as Units // zero is a valid count
  const settled = isCharged ? units : nothing
  const captured = await captureSurely(needs, order, {
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
    detail: { stream: order.stream, attempts: run.attempts, choice: order.explanation, receipt, salt },
  })
  if (failure instanceof CallerGone) throw failure
  if (failure) throw new GatewayError(failure.code, { cause: failure.cause, ...retryAfter(failure) })
  if (!captured.ok) throw new GatewayError(captured.code)
  if (!end.served) throw new GatewayError('internal_error')
  return {
    answer: end.answer,
    offer: meter.offer,
    units,
    chargeNanos: captured.chargeNanos,
    receipt,
    salt: end.ticket.salt,
  }
}

/** Capture may be repeated with one effect, so a lost reply is asked for again before the caller is told anything. */
async function captureSurely(needs: CallNeeds, order: Order, end: CallEnd) {
  for (let tries = 1; ; tries++) {
    try {
      return await needs.accounts(order.principal.accountId).capture(end)
    } catch (error) {
      logError(error, order.callId)
      if (tries === CAPTURE_TRIES) throw new GatewayError('unavailable', { cause: error })
    }
  }
}

const CAPTURE_TRIES = 3

/** A receipt that this node did not sign for this ticket is worth nothing and is not kept. */
async function checkedReceipt(jws: string | null, offer: Offer, ticket: Ticket): Promise<string | null> {
  if (jws === null) return null
  const verified = await verifyReceipt(jws, await importPublicKey(offer.nodeKey))
  if (!verified.ok) return null
  const { jti, callId, attempt, nodeKey, model, modelDigest } = verified.value
  const isOurs = jti === ticket.jti && callId === ticket.callId && attempt === ticket.attempt && nodeKey === ticket.aud
  return isOurs && model === ticket.model && modelDigest === ticket.modelDigest ? jws : null
}

const retryAfter = (failure: AttemptFailure) =>
  failure.code === 'provider_busy' || failure.code === 'no_provider' ? { retryAfterSeconds: 1 } : {}

const addTokens = (units: Units) => (units.inputTokens + units.outputTokens) as Units['inputTokens'] // a sum of counts is a count

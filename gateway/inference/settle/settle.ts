// The end of a call: one settle RPC with our own count, asked for until it is answered, and what the caller is told of it.
// An acknowledged call is a captured call.
import { sha256Hex } from '../../../protocol/canonical.ts'
import type { Units } from '../../../protocol/price.ts'
import { bytes, nanos, tokens, toUsd, type Instant, type ModelId, type Nanos } from '../../../protocol/units.ts'
import { GatewayError, logError } from '../../core/errors.ts'
import type { AttemptRecord, CallEnd, PaidPart } from '../../ledger/account-port.ts'
import { callParts, chargesOf, legsOfParts } from '../../ledger/calls/split.ts'
import type { Offer } from '../../market/market-port.ts'
import type { AttemptEnd } from '../attempts/attempt.ts'
import { CallerGone, type AttemptFailure } from '../attempts/failure.ts'
import type { CallNeeds } from '../call.ts'
import type { KeptAnswer } from '../idempotency/replay.ts'
import type { Background, Order } from '../order/order.ts'
import type { Answered } from '../receipts/receipt-check.ts'
import type { Meter } from './meter.ts'
import { maySettleLater, settleLater } from './settle-later.ts'

/** A captured call. */
export interface CapturedCall<Answer> {
  readonly answer: Answer
  /** of the node that finished */
  readonly offer: Offer
  /** that answered: the one asked for, or one to be used instead */
  readonly modelId: ModelId
  /** in their order, of all nodes that are paid: of several each one's part */
  readonly parts: readonly PaidPart[]
  /** of all of them */
  readonly units: Units
  readonly chargeNanos: Nanos
  readonly receipt: string | null
  readonly salt: string
}

/** What is kept of a whole answer for who repeats the request; null when it is too long. */
export type Kept<Answer> = (call: CapturedCall<Answer>) => KeptAnswer | null

/** Attempts that came to an end, and what of them is to be charged. */
export interface CallRun<Answer> {
  /** of the attempt that finished, or was the last */
  readonly end: AttemptEnd<Answer>
  /** its own */
  readonly meter: Meter
  /** of all attempts that are paid, in their order: empty when nothing is charged */
  readonly paid: readonly Meter[]
  readonly attempts: readonly AttemptRecord[]
  /** of the answer, by whichever node; absent: the end's own */
  readonly firstOutputAt?: number | null
  /** of all attempts, what the caller is told */
  readonly failure: AttemptFailure | CallerGone | null
}

/** @throws GatewayError when nothing could be served (nothing is charged); CallerGone when the caller left (what arrived is charged) */
export async function settle<Answer extends Answered>(
  needs: CallNeeds,
  order: Order,
  run: CallRun<Answer>,
  kept: Kept<Answer>,
  background: Background,
): Promise<CapturedCall<Answer>> {
  const { end, meter, paid, failure } = run
  const receipt = end.served ? (end.receipt?.jws ?? null) : null
  const salt = end.served ? end.ticket.salt : null
  const units = sumOf(paid.map((each) => each.units()))
  const { offer, candidate } = meter
  const shares = paid.map((each) => each.part())
  const charges = chargesOf(shares, order.holdNanos)
  const chargeNanos = nanos(charges.reduce((sum, charge) => sum + charge, 0n))
  const parts = paid.map((each, index) => paidPart(each, charges[index] ?? nanos(0n)))
  const told = { offer, modelId: candidate.model.id, parts, units, chargeNanos, receipt }
  const served = end.served ? { ...told, answer: end.answer, salt: end.ticket.salt } : null
  const callEnd: CallEnd = {
    callId: order.callId,
    outcome: end.served ? 'complete' : failure instanceof CallerGone ? 'cancelled' : 'failed',
    errorCode: failure === null ? null : failure instanceof CallerGone ? 'cancelled' : failure.code,
    nodeId: offer.nodeId,
    modelId: candidate.model.id,
    ...units,
    legs: legsOfParts(shares, {
      payer: order.principal.accountId,
      holdNanos: order.holdNanos,
      ofNode: offer.nodeId,
    }),
    parts: callParts(shares, { holdNanos: order.holdNanos, ofNode: offer.nodeId }),
    startedAt: order.startedAt,
    firstTokenAt: (run.firstOutputAt ?? end.firstOutputAt) as Instant | null, // the clock's own reading
    endedAt: needs.clock(),
    receiptHash: receipt === null ? null : sha256Hex(receipt),
    ticketHash: end.ticketJws === null ? null : sha256Hex(end.ticketJws),
    priceVersion: offer.priceVersion,
    detail: {
      stream: order.stream,
      attempts: run.attempts,
      choice: order.explanations,
      receipt,
      salt,
      ticket: end.ticketJws,
      claimed: meter.claimed(),
      ...(parts.length > 1 && { parts }),
    },
    kept: order.once && served ? await order.once.keep(() => kept(served)) : null,
  }
  const capture = () => needs.accounts(order.principal.accountId).capture(callEnd)
  // Of a quorum nothing was delivered yet, though its caller streams.
  const isUnseen = order.bench !== null && callEnd.outcome === 'complete' && callEnd.kept === null
  const captured = await surely(order, capture).catch((error: unknown) => {
    if (!isUnseen && maySettleLater(callEnd)) background(settleLater(callEnd, capture, needs.timeouts.settleLaterMs))
    throw error
  })
  if (failure instanceof CallerGone) throw failure
  // Before the failure, which would say that nothing was charged: a hold that ran out was charged by its progress.
  if (!captured.ok) throw new GatewayError(captured.code)
  if (failure) throw refusedWith(failure)
  if (!served) throw new GatewayError('internal_error')
  return { ...served, chargeNanos: captured.chargeNanos }
}

function sumOf(all: readonly Units[]): Units {
  const sum = (of: (units: Units) => bigint) => all.reduce((total, units) => total + of(units), 0n)
  const tensorBytes = sum((units) => units.tensorBytes ?? 0n)
  return {
    inputTokens: tokens(sum(({ inputTokens }) => inputTokens)),
    outputTokens: tokens(sum(({ outputTokens }) => outputTokens)),
    ...(tensorBytes > 0n && { tensorBytes: bytes(tensorBytes) }),
  }
}

function paidPart(meter: Meter, charge: Nanos): PaidPart {
  const { inputTokens, outputTokens } = meter.units()
  const { nodeId } = meter.offer
  const counts = { inputTokens: Number(inputTokens), outputTokens: Number(outputTokens) }
  return { attempt: meter.attempt, nodeId, ...counts, characters: meter.characters, charge: toUsd(charge) }
}

/** Hold and capture may be repeated with one effect, so a lost reply is asked for again, in the same words, before the caller is told anything. */
export async function surely<T>(order: Order, ask: () => Promise<T>): Promise<T> {
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
function refusedWith({ code, cause, retryAfterMs, options: { detail } }: AttemptFailure): GatewayError {
  if (code === 'unsupported_parameter') return new GatewayError(code, { cause, detail: UNSUPPORTED })
  const mayComeBack = code === 'provider_busy' || code === 'no_provider' || retryAfterMs !== null
  const retryAfterSeconds = Math.max(1, Math.ceil((retryAfterMs ?? 0) / 1_000))
  const told = { ...(mayComeBack ? { retryAfterSeconds } : {}), ...(detail === undefined ? {} : { detail }) }
  return new GatewayError(code, { cause, ...told })
}

const UNSUPPORTED =
  'None of the providers that serve this model now honours every parameter of this request: leave out what is not needed of it.'

// One attempt: one ticket, one node, one answer read. It ends served or with an AttemptFailure that says whose fault it was; in either case the
// market learns of it and the node's request is closed.
import type { Ticket } from '../../../protocol/ticket.ts'
import type { Clock } from '../../core/clock.ts'
import type { CallTimeouts } from '../../core/limits.ts'
import type { AttemptRecord } from '../../ledger/account-port.ts'
import { LinkGone, type NodeLink, type NodeRequest } from '../../link/node-link.ts'
import type { Market, Offer } from '../../market/market-port.ts'
import type { Background, Caller, Candidate, Order } from '../order/order.ts'
import { checkedReceipt, type Answered, type CheckedReceipt } from '../receipts/receipt-check.ts'
import { orderedOf } from '../resume/resume.ts'
import type { Meter } from '../settle/meter.ts'
import { AttemptNotes } from './attempt-notes.ts'
import { attemptTimes } from './attempt-times.ts'
import { AttemptFailure, CallerGone, refusalOf } from './failure.ts'
import { nodeJson } from './node-events.ts'
import { retryAfterMs } from './retry-after.ts'
import { Watch } from './watch.ts'

export interface SignedTicket {
  readonly jws: string
  readonly ticket: Ticket
}

export interface AttemptNeeds {
  readonly market: Market
  readonly link: NodeLink
  readonly clock: Clock
  readonly timeouts: CallTimeouts
  /** the gateway's signed order for exactly this body */
  readonly issueTicket: (
    order: Order,
    candidate: Candidate,
    attempt: number,
    body: string | Uint8Array,
  ) => Promise<SignedTicket>
}

/** What a task's reader works with. */
export interface AttemptContext {
  readonly offer: Offer
  readonly meter: Meter
  readonly watch: Watch
  readonly ticket: Ticket
  readonly background: Background
  /** ms between two outputs */
  readonly gapMs: number
  /** call before the first output is delivered; later calls change nothing */
  readonly noteFirstOutput: () => void
  /** call after each output: tells the guard what was delivered, when that is due */
  readonly reportProgress: () => void
  /** call when the answer is whole and something else is waited for: the node's own time ends here */
  readonly noteEnd: () => void
}

/** Reads a node's answer and delivers it as it comes. @throws AttemptFailure, CallerGone */
export type Serve<Answer> = (response: Response, context: AttemptContext) => Promise<Answer>

interface Ended {
  readonly record: AttemptRecord
  readonly firstOutputAt: number | null
  /** null when none was signed */
  readonly ticketJws: string | null
}

export type AttemptEnd<Answer> = Ended &
  (
    | {
        readonly served: true
        readonly answer: Answer
        readonly ticket: Ticket
        /** the answer's own, when it is one */
        readonly receipt: CheckedReceipt | null
      }
    | { readonly served: false; readonly failure: AttemptFailure | CallerGone }
  )

/** @param hasAnother somebody else can be asked: then this one has the short limits */
export async function runAttempt<Answer extends Answered>(
  needs: AttemptNeeds,
  order: Order,
  meter: Meter,
  serve: Serve<Answer>,
  call: AbortController,
  caller: Caller,
  hasAnother = false,
): Promise<AttemptEnd<Answer>> {
  const { candidate, attempt } = meter
  const { offer } = candidate
  const { background } = caller
  const watch = new Watch(call.signal)
  const notes = new AttemptNotes(needs, meter, background)
  let ticketJws: string | null = null
  const ended = () => ({ ticketJws, firstOutputAt: notes.firstOutputAt })
  try {
    const seed = offer.parameters?.has('seed') ? order.seed : null
    const body = order.bodyFor(candidate, { seed, prefix: meter.prefix })
    const ordered = orderedOf(candidate, meter.resumed)
    const { jws, ticket } = await needs.issueTicket(order, ordered, attempt, body).catch(ourOwnFault)
    ticketJws = jws
    const { nodeId, endpoint, wireVersion } = offer
    const request = { nodeId, endpoint, wireVersion, path: order.path, body, ticket: jws }
    notes.noteBody(body)
    const times = attemptTimes(needs.timeouts, { path: order.path, candidate, body, hasAnother })
    const sentAt = needs.clock()
    const response = await send(needs, request, watch, caller, times.headMs)
    if (!response.ok) throw await refusal(response, candidate, watch, needs.clock())
    watch.arm(times.outputMs(needs.clock() - sentAt), 'first output')
    const answer = await serve(response, {
      offer,
      meter,
      watch,
      ticket,
      background,
      gapMs: order.stream ? needs.timeouts.gapMs : times.unseenGapMs,
      noteFirstOutput: () => notes.noteFirstOutput(),
      noteEnd: () => notes.noteEnd(),
      reportProgress: () => progress(needs, meter, call, background),
    })
    watch.disarm()
    if (!meter.hasAnswer)
      throw new AttemptFailure('provider_failed', 'node', { cause: new Error('an answer without content') })
    const receipt = await checkedReceipt(answer.receipt, ticket, answer.continued)
    if (receipt) meter.noteReceipt(receipt.said)
    return { served: true, answer, receipt, ticket, ...ended(), record: notes.served() }
  } catch (error) {
    const failure = asFailure(error, watch)
    watch.abort(failure)
    const record = failure instanceof CallerGone ? notes.callerLeft() : notes.failed(failure)
    return { served: false, failure, ...ended(), record }
  }
}

/**
 * Unawaited: a slow guard must not slow the stream. When the guard says that the hold is gone, the whole call stops.
 * Only for who streams: were the gateway to vanish, all others would pay for what they never got.
 */
function progress(needs: AttemptNeeds, meter: Meter, call: AbortController, background: Background): void {
  const sent = meter.order.stream ? meter.reportProgress(needs.clock()) : null
  if (!sent) return
  const stopIfGone = ({ open }: { open: boolean }) =>
    open ? undefined : call.abort(new AttemptFailure('call_expired', 'gateway'))
  background(sent.then(stopIfGone))
}

async function send(
  needs: AttemptNeeds,
  request: Omit<NodeRequest, 'signal'>,
  watch: Watch,
  caller: Caller,
  headMs: number,
): Promise<Response> {
  // Nobody is asked to work for a call that is over.
  watch.signal.throwIfAborted()
  watch.arm(headMs, 'connect')
  caller.noteSent()
  return watch.race(needs.link.send({ ...request, signal: watch.signal }))
}

async function refusal(
  response: Response,
  { model, offer, longestTokens }: Candidate,
  watch: Watch,
  now: number,
): Promise<AttemptFailure> {
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  const body: unknown = isJson ? await nodeJson(response, watch).catch(() => null) : null
  return refusalOf({
    status: response.status,
    body,
    retryAfterMs: retryAfterMs(response.headers.get('retry-after'), now),
    mayExceedContext: longestTokens > BigInt(offer.contextTokens),
    contextDetail: `${model.id} takes ${offer.contextTokens} tokens.`,
  })
}

/** Before anything was sent: no node may be blamed for it. */
function ourOwnFault(cause: unknown): never {
  throw new AttemptFailure('internal_error', 'gateway', { cause })
}

/** Whatever was thrown while talking to a node, as a failure with a fault. A reason of the watch comes first: it caused the rest. */
function asFailure(error: unknown, watch: Watch): AttemptFailure | CallerGone {
  const cause: unknown = watch.signal.aborted ? watch.signal.reason : error
  if (cause instanceof AttemptFailure || cause instanceof CallerGone) return cause
  // Known to be away, asked nothing, marked by nobody: its guard says in the registry when it stays away, and it serves at once when it is back.
  if (cause instanceof LinkGone && !cause.isLinked)
    return new AttemptFailure('no_provider', 'none', { cause, reason: 'Its link was away.' })
  return new AttemptFailure('provider_failed', 'node', { cause, reason: 'It could not be reached, or broke off.' })
}

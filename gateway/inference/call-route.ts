// What every route that runs inference does around its call: an order drafted, held (or answered from before), run to its end whatever becomes
// of the caller, and told in headers. A route only says what it asks of a node and how the answer is worded.
import type { Context } from 'hono'
import type { z } from 'zod'
import { toUsd, type Instant } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { assert, GatewayError, logError } from '../core/errors.ts'
import { readJson } from '../core/json-body.ts'
import { regionOf } from '../core/region.ts'
import { requireKey, type AppEnv } from '../core/principal.ts'
import { answererHeaders, answererOf, type Answerer } from './answerer.ts'
import type { Serve } from './attempts/attempt.ts'
import { CallerGone } from './attempts/failure.ts'
import { runCall, type CallNeeds } from './call.ts'
import { keptHeaders, onceOf, replay, type Once } from './idempotency/idempotent.ts'
import { holdOrder } from './order/held-order.ts'
import type { Background, Caller, Order, OrderDraft, OrderNeeds } from './order/order.ts'
import { deprecationHeaders } from './order/standing.ts'
import type { IsAlike } from './quorum/agreement.ts'
import type { Answered } from './receipts/receipt-check.ts'
import type { CapturedCall } from './settle/settle.ts'
import { headroomHeaders } from './views/limit-headers.ts'

export interface InferenceNeeds extends CallNeeds, OrderNeeds {}

export interface Ask {
  /** method and path: what an Idempotency-Key is good for, once each */
  readonly route: string
  readonly model: string
  /** the request as parsed: the same one may be repeated under its Idempotency-Key */
  readonly request: unknown
  readonly draft: OrderDraft
}

/** An order whose money is set aside: from here every way out settles. */
export interface HeldCall {
  readonly order: Order
  readonly caller: Caller
  /** of the answer. @param by null while no node has spoken */
  headers(by: Answerer | null): Record<string, string>
}

/** The body of who has a key: nobody else's is read. @throws GatewayError as requireKey and readJson do */
export async function readAsked<T extends z.ZodType>(c: Context<AppEnv>, schema: T): Promise<z.output<T>> {
  requireKey(c)
  return readJson(c.req.raw, schema)
}

/** @throws GatewayError as holdOrder does, and whatever `answer` throws */
export async function callRoute(
  c: Context<AppEnv>,
  needs: InferenceNeeds,
  ask: Ask,
  answer: (held: HeldCall) => Promise<Response>,
): Promise<Response> {
  const once = onceOf(c.req.raw.headers, requireKey(c), ask.route, ask.request, needs.random)
  return toItsEnd(c, async () => {
    const order = await heldOrder(c, needs, ask.model, { ...ask.draft, once, callerRegion: regionOf(c.req.raw) })
    if (order instanceof Response) return order
    const caller = callerOf(c, needs.clock)
    return answer({ order, caller, headers: (by) => callHeaders(order, caller.sentAt(), by) })
  })
}

/** An answer in one JSON body, kept as it is for who repeats the request. */
export async function wholeReply<Answer extends Answered>(
  c: Context<AppEnv>,
  needs: CallNeeds,
  held: HeldCall,
  serve: Serve<Answer>,
  isAlike: IsAlike<Answer>,
  replyOf: (call: CapturedCall<Answer>) => object,
): Promise<Response> {
  const keep = (call: CapturedCall<Answer>) => ({ headers: keptHeaders(call, held.order), reply: { ...replyOf(call) } })
  const call = await runCall(needs, held.order, serve, held.caller, keep, isAlike)
  return c.json(replyOf(call), 200, { ...held.headers(answererOf(call)), 'x-souk-cost': toUsd(call.chargeNanos) })
}

/** Parsed, chosen, quoted and held. Or the answer that this Idempotency-Key had before. */
async function heldOrder(
  c: Context<AppEnv>,
  needs: InferenceNeeds,
  model: string,
  draft: OrderDraft & { readonly once: Once | null },
): Promise<Order | Response> {
  // On the response itself and not prepared for it: so that refusals have it too, and can be asked about.
  const note = (callId: string) => c.res.headers.set('x-souk-call-id', callId)
  const begun = await holdOrder(needs, requireKey(c), model, draft, backgroundOf(c), note)
  if ('earlier' in begun) {
    if (begun.earlier.callId !== null) note(begun.earlier.callId)
    assert(draft.once, 'only an Idempotency-Key has an earlier answer')
    return replay(draft.once, begun.earlier)
  }
  const { order, held } = begun
  for (const [name, value] of Object.entries(headroomHeaders(held.headroom))) c.res.headers.set(name, value)
  return order
}

/**
 * The runtime drops a request whose caller left, so everything from the hold on is given to waitUntil: what was held must be settled, and the
 * node stopped. A caller who left gets no answer; the status is for the log alone.
 */
async function toItsEnd<T>(c: Context<AppEnv>, call: () => Promise<T>): Promise<T> {
  const work = call()
  c.executionCtx.waitUntil(work.catch(() => undefined))
  try {
    return await work
  } catch (error) {
    throw error instanceof CallerGone ? new GatewayError('cancelled', { cause: error }) : error
  }
}

/** With the time of its first attempt: all before it is the gateway's own, all after it the node's. */
function callerOf(c: Context<AppEnv>, clock: Clock): Caller & { readonly sentAt: () => Instant | null } {
  let sentAt: Instant | null = null
  const noteSent = () => {
    sentAt ??= clock()
  }
  return { signal: c.req.raw.signal, background: backgroundOf(c), noteSent, sentAt: () => sentAt }
}

function callHeaders(order: Order, sentAt: Instant | null, by: Answerer | null): Record<string, string> {
  return {
    'x-souk-call-id': order.callId,
    'x-souk-hold': toUsd(order.holdNanos),
    ...deprecationHeaders(order.model),
    ...(by && answererHeaders(by, order.model.id)),
    'server-timing': `gateway;dur=${(sentAt ?? order.startedAt) - order.startedAt}`,
  }
}

/** Work that may outlive the response and never fails it. */
export function backgroundOf(c: Context<AppEnv>): Background {
  return (work) => c.executionCtx.waitUntil(work.catch((error: unknown) => logError(error, c.var.requestId)))
}

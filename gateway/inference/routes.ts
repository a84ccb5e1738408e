// The OpenAI surface and what a key may ask about itself. Routes parse, hold, run and answer; every decision is elsewhere.
import { Hono } from 'hono'
import type { Context } from 'hono'
import { ChatRequest, EmbeddingRequest } from '../../protocol/openai.ts'
import { isCallId, isModelId, toUsd, type Instant, type Nanos, type RandomBytes } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { assert, GatewayError, logError } from '../core/errors.ts'
import { readJson } from '../core/json-body.ts'
import { requireKey, type AppEnv } from '../core/principal.ts'
import { runCall, type CallNeeds, type CapturedCall } from './call.ts'
import { completion } from './chat-reply.ts'
import { streamChat } from './chat-stream.ts'
import { chatDraft, serveWholeChat, type WholeChatAnswer } from './chat.ts'
import { embeddingDraft, embeddingReply, serveEmbeddings, type EmbeddingAnswer } from './embeddings.ts'
import { CallerGone } from './failure.ts'
import { generationView } from './generation.ts'
import { holdOrder } from './held-order.ts'
import { keptHeaders, onceOf, replay, type Once } from './idempotent.ts'
import { keyView } from './key-view.ts'
import { headroomHeaders } from './limit-headers.ts'
import { modelView } from './models-view.ts'
import type { Background, Caller, Order, OrderDraft } from './order.ts'
import type { KeptAnswer } from './replay.ts'

export interface InferenceNeeds extends CallNeeds {
  readonly random: RandomBytes
}

/** What an Idempotency-Key is good for, once each. */
const CHAT = 'POST /v1/chat/completions'
const EMBEDDINGS = 'POST /v1/embeddings'

/** Mounted at /v1. */
export function createInferenceRoutes(needs: InferenceNeeds) {
  return (
    new Hono<AppEnv>()
      .post('/chat/completions', async (c) => {
        const principal = requireKey(c)
        const request = await readJson(c.req.raw, ChatRequest)
        const once = onceOf(c.req.raw.headers, principal, CHAT, request, needs.random)
        return toItsEnd(c, async () => {
          const order = await heldOrder(c, needs, request.model, { ...chatDraft(request), once })
          if (order instanceof Response) return order
          const caller = callerOf(c, needs.clock)
          if (request.stream) {
            const { body, nodeId } = await streamChat(needs, order, request, caller)
            return new Response(body, { headers: { ...SSE_HEADERS, ...callHeaders(order, caller, nodeId) } })
          }
          const keep = keepReply((call: CapturedCall<WholeChatAnswer>) => completion(order, call))
          const call = await runCall(needs, order, serveWholeChat(needs.timeouts), caller, keep)
          return c.json(completion(order, call), 200, {
            ...callHeaders(order, caller, call.offer.nodeId),
            ...costOf(call),
          })
        })
      })
      .post('/embeddings', async (c) => {
        const principal = requireKey(c)
        const request = await readJson(c.req.raw, EmbeddingRequest)
        const once = onceOf(c.req.raw.headers, principal, EMBEDDINGS, request, needs.random)
        return toItsEnd(c, async () => {
          const order = await heldOrder(c, needs, request.model, { ...embeddingDraft(request), once })
          if (order instanceof Response) return order
          const caller = callerOf(c, needs.clock)
          const serve = serveEmbeddings(request, order.model.manifest.dimensions)
          const keep = keepReply((call: CapturedCall<EmbeddingAnswer>) => embeddingReply(order, request, call))
          const call = await runCall(needs, order, serve, caller, keep)
          return c.json(embeddingReply(order, request, call), 200, {
            ...callHeaders(order, caller, call.offer.nodeId),
            ...costOf(call),
          })
        })
      })
      .get('/models', async (c) =>
        c.json({ object: 'list' as const, data: (await needs.market.models()).map(modelView) }),
      )
      .get('/models/:author/:name', (c) => oneModel(c, needs, `${c.req.param('author')}/${c.req.param('name')}`))
      // The official clients escape the slash of a model id.
      .get('/models/:id', (c) => oneModel(c, needs, c.req.param('id')))
      .get('/generation', async (c) => {
        const principal = requireKey(c)
        const id = c.req.query('id') ?? ''
        const account = needs.accounts(principal.accountId)
        const inspected = await account.inspectKey(principal.keyId, principal.secretHash)
        if (!inspected.ok) throw new GatewayError(inspected.code)
        const call = isCallId(id) ? await account.call(id) : null
        if (!call || !isCallId(id)) throw new GatewayError('call_not_found', { param: 'id' })
        return c.json({ data: generationView(id, call) })
      })
      .get('/key', async (c) => {
        const principal = requireKey(c)
        const inspected = await needs.accounts(principal.accountId).inspectKey(principal.keyId, principal.secretHash)
        if (!inspected.ok) throw new GatewayError(inspected.code)
        return c.json({ data: keyView(inspected) })
      })
  )
}

/** Parsed, chosen, quoted and held: from here every way out settles. Or the answer that this Idempotency-Key had before. */
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

async function oneModel(c: Context<AppEnv>, needs: InferenceNeeds, id: string) {
  const snapshot = isModelId(id) ? await needs.market.snapshot(id, backgroundOf(c)) : null
  if (!snapshot) throw new GatewayError('model_not_found', { param: 'model' })
  return c.json(modelView(snapshot))
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

function callHeaders(order: Order, caller: ReturnType<typeof callerOf>, nodeId: string | null): Record<string, string> {
  return {
    'x-souk-call-id': order.callId,
    'x-souk-hold': toUsd(order.holdNanos),
    ...(nodeId === null ? {} : { 'x-souk-node': nodeId }),
    'server-timing': `gateway;dur=${(caller.sentAt() ?? order.startedAt) - order.startedAt}`,
  }
}

/** For who repeats the request: the whole reply, and the headers that only its call knew. */
const keepReply =
  <Answer>(replyOf: (call: CapturedCall<Answer>) => object) =>
  (call: CapturedCall<Answer>): KeptAnswer => ({ headers: keptHeaders(call), reply: { ...replyOf(call) } })

const costOf = ({ chargeNanos }: { readonly chargeNanos: Nanos }) => ({ 'x-souk-cost': toUsd(chargeNanos) })

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}

/** Work that may outlive the response and never fails it. */
function backgroundOf(c: Context<AppEnv>): Background {
  return (work) => c.executionCtx.waitUntil(work.catch((error: unknown) => logError(error, c.var.requestId)))
}

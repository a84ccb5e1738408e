// The OpenAI surface and what a key may ask about itself. Routes parse, hold, run and answer; every decision is elsewhere.
import { Hono } from 'hono'
import type { Context } from 'hono'
import { ChatRequest, EmbeddingRequest } from '../../protocol/openai.ts'
import { isCallId, isModelId, toUsd } from '../../protocol/units.ts'
import { GatewayError, logError } from '../core/errors.ts'
import { readJson } from '../core/json-body.ts'
import { requireKey, type AppEnv } from '../core/principal.ts'
import type { RandomBytes } from '../../protocol/units.ts'
import { holdFor, runCall, type CallNeeds } from './call.ts'
import { completion } from './chat-reply.ts'
import { streamChat } from './chat-stream.ts'
import { chatDraft, serveChat } from './chat.ts'
import { embeddingDraft, embeddingReply, serveEmbeddings } from './embeddings.ts'
import { CallerGone } from './failure.ts'
import { generationView } from './generation.ts'
import { modelView } from './models-view.ts'
import { prepareOrder, type Background, type Order, type OrderDraft } from './order.ts'

export interface InferenceNeeds extends CallNeeds {
  readonly random: RandomBytes
}

/** Mounted at /v1. */
export function createInferenceRoutes(needs: InferenceNeeds) {
  return (
    new Hono<AppEnv>()
      .post('/chat/completions', async (c) => {
        requireKey(c)
        const request = await readJson(c.req.raw, ChatRequest)
        const order = await heldOrder(c, needs, request.model, chatDraft(request))
        if (request.stream) {
          const { body, nodeId } = await streamChat(needs, order, request, c.req.raw.signal, backgroundOf(c))
          return new Response(body, { headers: { ...SSE_HEADERS, ...callHeaders(needs, order, nodeId) } })
        }
        const parts: string[] = []
        const collect = (text: string) => Promise.resolve(void parts.push(text))
        const call = await whole(
          c,
          runCall(needs, order, serveChat(needs.timeouts, collect), c.req.raw.signal, backgroundOf(c)),
        )
        return c.json(completion(order, call, parts.join('')), 200, callHeaders(needs, order, call.offer.nodeId))
      })
      .post('/embeddings', async (c) => {
        requireKey(c)
        const request = await readJson(c.req.raw, EmbeddingRequest)
        const order = await heldOrder(c, needs, request.model, embeddingDraft(request))
        const serve = serveEmbeddings(request, order.model.manifest.dimensions)
        const call = await whole(c, runCall(needs, order, serve, c.req.raw.signal, backgroundOf(c)))
        return c.json(embeddingReply(order, request, call), 200, callHeaders(needs, order, call.offer.nodeId))
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
        const { key, balance } = inspected
        return c.json({ data: { ...key, balance: toUsd(balance.availableNanos), held: toUsd(balance.heldNanos) } })
      })
  )
}

/** Parsed, chosen, quoted and held: from here every way out settles. */
async function heldOrder(c: Context<AppEnv>, needs: InferenceNeeds, model: string, draft: OrderDraft): Promise<Order> {
  const order = await prepareOrder(needs, requireKey(c), model, draft, backgroundOf(c))
  c.header('x-souk-call-id', order.callId)
  await holdFor(needs, order)
  return order
}

async function oneModel(c: Context<AppEnv>, needs: InferenceNeeds, id: string) {
  const snapshot = isModelId(id) ? await needs.market.snapshot(id, backgroundOf(c)) : null
  if (!snapshot) throw new GatewayError('model_not_found', { param: 'model' })
  return c.json(modelView(snapshot))
}

/**
 * An answer that is not streamed. The runtime drops a request whose caller left, so the call is given to waitUntil: it must stop the node and
 * settle. A caller who left gets no answer; the status is for the log alone.
 */
async function whole<T>(c: Context<AppEnv>, call: Promise<T>): Promise<T> {
  c.executionCtx.waitUntil(call.catch(() => undefined))
  try {
    return await call
  } catch (error) {
    throw error instanceof CallerGone ? new GatewayError('cancelled', { cause: error }) : error
  }
}

function callHeaders(needs: InferenceNeeds, order: Order, nodeId: string | null): Record<string, string> {
  return {
    'x-souk-call-id': order.callId,
    'x-souk-hold': toUsd(order.holdNanos),
    ...(nodeId === null ? {} : { 'x-souk-node': nodeId }),
    'server-timing': `gateway;dur=${needs.clock() - order.startedAt}`,
  }
}

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}

/** Work that may outlive the response and never fails it. */
function backgroundOf(c: Context<AppEnv>): Background {
  return (work) => c.executionCtx.waitUntil(work.catch((error: unknown) => logError(error, c.var.requestId)))
}

// The OpenAI surface and what a key may ask about itself. Routes parse, hold, run and answer; every decision is elsewhere.
import { Hono } from 'hono'
import type { Context } from 'hono'
import { ChatRequest, CompletionRequest, EmbeddingRequest } from '../../protocol/openai.ts'
import { isModelId } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { requireKey, type AppEnv } from '../core/principal.ts'
import { backgroundOf, callRoute, readAsked, wholeReply, type InferenceNeeds } from './call-route.ts'
import { chatWords } from './openai/chat-reply.ts'
import { chatDraft } from './openai/chat.ts'
import { completionWords } from './openai/completion-reply.ts'
import { completionDraft } from './openai/completions.ts'
import { embeddingDraft, embeddingReply, serveEmbeddings } from './openai/embeddings.ts'
import type { Order } from './order/order.ts'
import { withPreferences } from './order/provider-header.ts'
import { isSameText, isSameVectors } from './quorum/agreement.ts'
import type { TextAsked } from './text/choices.ts'
import type { TextDraft } from './text/text-draft.ts'
import { streamText } from './text/text-stream.ts'
import type { TextWords } from './text/text-words.ts'
import { serveWholeText } from './text/text.ts'
import { createEndpointsRoutes } from './views/endpoints-routes.ts'
import { generationOf } from './views/generation.ts'
import { keyView } from './views/key-view.ts'
import { modelView } from './views/models-view.ts'

/** What an Idempotency-Key is good for, once each. */
const CHAT = 'POST /v1/chat/completions'
const COMPLETIONS = 'POST /v1/completions'
const EMBEDDINGS = 'POST /v1/embeddings'

/** Mounted at /v1. */
export function createInferenceRoutes(needs: InferenceNeeds) {
  return (
    new Hono<AppEnv>()
      .post('/chat/completions', async (c) => {
        const request = withPreferences(c.req.raw.headers, await readAsked(c, ChatRequest))
        return textRoute(c, needs, CHAT, request, chatDraft(request), chatWords)
      })
      .post('/completions', async (c) => {
        const request = withPreferences(c.req.raw.headers, await readAsked(c, CompletionRequest))
        return textRoute(c, needs, COMPLETIONS, request, completionDraft(request), completionWords)
      })
      .post('/embeddings', async (c) => {
        const request = withPreferences(c.req.raw.headers, await readAsked(c, EmbeddingRequest))
        const ask = { route: EMBEDDINGS, model: request.model, request, draft: embeddingDraft(request) }
        return callRoute(c, needs, ask, (held) => {
          const serve = serveEmbeddings(request, held.order.model.manifest.dimensions)
          return wholeReply(c, needs, held, serve, isSameVectors, (call) => embeddingReply(held.order, request, call))
        })
      })
      .get('/models', async (c) =>
        c.json({ object: 'list' as const, data: (await needs.market.models()).map(modelView) }),
      )
      .route('/', createEndpointsRoutes(needs))
      .get('/models/:author/:name', (c) => oneModel(c, needs, `${c.req.param('author')}/${c.req.param('name')}`))
      // The official clients escape the slash of a model id.
      .get('/models/:id', (c) => oneModel(c, needs, c.req.param('id')))
      .get('/generation', async (c) => {
        const principal = requireKey(c)
        const id = c.req.query('id') ?? ''
        const account = needs.accounts(principal.accountId)
        const inspected = await account.inspectKey(principal.keyId, principal.secretHash)
        if (!inspected.ok) throw new GatewayError(inspected.code)
        return c.json(await generationOf(account, id))
      })
      .get('/key', async (c) => {
        const principal = requireKey(c)
        const inspected = await needs.accounts(principal.accountId).inspectKey(principal.keyId, principal.secretHash)
        if (!inspected.ok) throw new GatewayError(inspected.code)
        return c.json({ data: keyView(inspected) })
      })
  )
}

/** Chat and completions differ in what they order and in how it is worded. */
function textRoute(
  c: Context<AppEnv>,
  needs: InferenceNeeds,
  route: string,
  request: ChatRequest | CompletionRequest,
  draft: TextDraft,
  wordsFor: (order: Order, asked: TextAsked) => TextWords,
): Promise<Response> {
  return callRoute(c, needs, { route, model: request.model, request, draft }, async (held) => {
    const words = wordsFor(held.order, draft)
    if (!request.stream)
      return wholeReply(c, needs, held, serveWholeText(needs.timeouts, draft), isSameText, words.whole)
    const what = { asked: draft, words, includeUsage: request.stream_options?.include_usage ?? false }
    const { body, by } = await streamText(needs, held.order, what, held.caller)
    return new Response(body, { headers: { ...SSE_HEADERS, ...held.headers(by) } })
  })
}

async function oneModel(c: Context<AppEnv>, needs: InferenceNeeds, id: string) {
  const snapshot = isModelId(id) ? await needs.market.snapshot(id, backgroundOf(c)) : null
  if (!snapshot) throw new GatewayError('model_not_found', { param: 'model' })
  return c.json(modelView(snapshot))
}

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
}

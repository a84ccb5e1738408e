// `POST /v1/quote`: the most a request can cost, and a lock on the prices it was made of. The request is made ready as it would be for a call, by
// the same code, and then let go: nothing is held, no node is asked.
import { Hono } from 'hono'
import { QuoteRequest, type QuoteReply } from '../../../protocol/endpoints.ts'
import { TENSOR_TASKS } from '../../../protocol/model.ts'
import { NODE_PATHS } from '../../../protocol/node.ts'
import { ChatRequest, CompletionRequest, EmbeddingRequest } from '../../../protocol/openai.ts'
import { costOf } from '../../../protocol/price.ts'
import type { ProviderPreferences } from '../../../protocol/routing.ts'
import { bytes, newCallId, tokens, toUsd, type NodeId } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { parseWith } from '../../core/json-body.ts'
import { requireKey, type AppEnv, type KeyPrincipal } from '../../core/principal.ts'
import { refusal } from '../../core/refusal.ts'
import { regionOf } from '../../core/region.ts'
import { backgroundOf, readAsked, type InferenceNeeds } from '../call-route.ts'
import { specsOf } from '../oip/tensors.ts'
import { chatDraft } from '../openai/chat.ts'
import { completionDraft } from '../openai/completions.ts'
import { embeddingDraft } from '../openai/embeddings.ts'
import { denying } from './held-order.ts'
import { prepareOrder, type Order, type OrderDraft, type Restriction } from './order.ts'
import { PRICE_LOCK } from './price-lock.ts'

/** Offers of one model that a quote names beyond those of a quorum: enough that some of them still serve when the call comes. */
const BREADTH = 8

interface Asked {
  readonly model: string
  readonly draft: OrderDraft
}

/** Mounted at /v1. */
export function createQuoteRoutes(needs: InferenceNeeds) {
  return new Hono<AppEnv>().post('/quote', async (c) => {
    const principal = requireKey(c)
    const { model, draft } = askedOf(await readAsked(c, QuoteRequest))
    if (draft.preferences?.price_lock !== undefined) throw lockInQuote()
    const background = backgroundOf(c)
    const { only, deniesCollection } = await permitted(needs, principal, draft, model)
    const wide = { ...(deniesCollection ? denying(draft) : draft), breadth: BREADTH, callerRegion: regionOf(c.req.raw) }
    return c.json(await replyOf(needs, await prepareOrder(needs, principal, model, wide, background, only)))
  })
}

async function replyOf(needs: InferenceNeeds, order: Order): Promise<QuoteReply> {
  const now = needs.clock()
  const candidates = order.candidates.slice(0, PRICE_LOCK.offers)
  const locked = candidates.map(({ model, offer: { nodeId, price, priceVersion } }) => ({
    nodeId,
    modelId: model.id,
    price,
    priceVersion,
  }))
  const { lock, expiresAt } = await needs.priceLocks.issue(order.principal.accountId, locked, now)
  const [first] = candidates
  const { inputTokens = 0n, outputTokens = 0n, tensorBytes } = first?.most ?? {}
  return {
    model: order.model.id,
    highest: toUsd(order.holdNanos),
    units: {
      inputTokens: Number(inputTokens),
      outputTokens: Number(outputTokens),
      ...(tensorBytes !== undefined && { tensorBytes: Number(tensorBytes) }),
    },
    candidates: candidates.map(({ model, offer, most }) => ({
      node: offer.nodeId,
      model: model.id,
      cost: toUsd(costOf(most, offer.price)),
    })),
    lock,
    expiresAt: new Date(expiresAt).toISOString(),
  }
}

/** @throws GatewayError as the surface of that request refuses it, naming its fields */
function askedOf(asked: QuoteRequest): Asked {
  switch (asked.endpoint) {
    case '/v1/chat/completions': {
      const request = parseWith(ChatRequest, asked.request)
      return { model: request.model, draft: chatDraft(request) }
    }
    case '/v1/completions': {
      const request = parseWith(CompletionRequest, asked.request)
      return { model: request.model, draft: completionDraft(request) }
    }
    case '/v1/embeddings': {
      const request = parseWith(EmbeddingRequest, asked.request)
      return { model: request.model, draft: embeddingDraft(request) }
    }
    case '/v2/models/infer': {
      const { model, inputBytes, provider } = asked.request
      return { model, draft: tensorQuote(inputBytes, provider) }
    }
    default:
      return asked satisfies never
  }
}

/** Of tensors that were not sent: their bytes are what is paid by. */
function tensorQuote(inputBytes: number, preferences: ProviderPreferences | undefined): OrderDraft {
  return {
    task: TENSOR_TASKS,
    path: NODE_PATHS.infer,
    stream: false,
    most: (model) => ({
      inputTokens: tokens(0),
      outputTokens: tokens(0),
      tensorBytes: bytes(inputBytes + specsOf(model).outputBytesMax),
    }),
    bodyFor: () => '',
    ...(preferences && { preferences }),
  }
}

/**
 * What this key may ask for, as its guard knows it: a quote for a call that the key could not make would be wrong.
 * @returns the nodes it is good for, null: all; and whether its account wants nobody who keeps what it sends
 */
async function permitted(
  needs: InferenceNeeds,
  { accountId, keyId, secretHash }: KeyPrincipal,
  draft: OrderDraft,
  model: string,
): Promise<{ readonly only: Restriction | null; readonly deniesCollection: boolean }> {
  const inspected = await needs.accounts(accountId).inspectKey(keyId, secretHash)
  if (!inspected.ok) throw refusal(inspected)
  const { scopes, models, nodes } = inspected.key
  const { deniesCollection = false } = inspected
  if (!scopes.includes('inference')) throw new GatewayError('scope_missing')
  const asked = [model, ...(draft.fallbackModels ?? [])]
  if (models && asked.some((id) => !models.includes(id))) throw new GatewayError('model_not_allowed')
  if (!nodes) return { only: null, deniesCollection }
  const only = { callId: newCallId(needs.clock(), needs.random), nodes: new Set(nodes as NodeId[]) } // the guard's own list of ids
  return { only, deniesCollection }
}

const lockInQuote = () =>
  new GatewayError('invalid_request', { param: 'provider.price_lock', detail: 'A quote makes one and takes none.' })

// An order is a request made ready: the model and its offers, the choice among them, the exact bodies for the nodes, the highest cost.
// Everything in it is frozen before money is held; whatever happens later is measured against it.
import type { Task } from '../../protocol/model.ts'
import type { Units } from '../../protocol/price.ts'
import type { Parameter, ProviderPreferences } from '../../protocol/routing.ts'
import {
  isModelId,
  newCallId,
  type CallId,
  type Instant,
  type ModelId,
  type Nanos,
  type NodeId,
  type RandomBytes,
} from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { KeyPrincipal } from '../core/principal.ts'
import { base64url } from '../../protocol/canonical.ts'
import { rank, type Explanation } from '../market/choose/choose.ts'
import type { CallShape, Market, Model, Offer, Snapshot } from '../market/market-port.ts'
import { requireServed } from './standing.ts'
import type { Once } from './idempotent.ts'
import { quote } from './quote.ts'

/** An offer that may serve the call, and the most it can use there: models count differently. */
export interface Candidate {
  readonly model: Model
  readonly offer: Offer
  readonly most: Units
  /** of the longest sequence alone, input and output: what must fit a context */
  readonly longestTokens: bigint
}

/** What an attempt's body says beside the request itself. */
export interface BodyExtras {
  /** for who gave none, so that every answer can be repeated: null where the offer is not known to honour it */
  readonly seed: number | null
  /** delivered already by another node, of the only choice: this one goes on from there; null: it begins */
  readonly prefix: string | null
}

export interface Order {
  readonly callId: CallId
  readonly principal: KeyPrincipal
  /** that was asked for */
  readonly model: Model
  /** in the order they are to be asked, at most LIMITS.attemptsMax: of the model asked for, then of its fallbacks */
  readonly candidates: readonly Candidate[]
  /** one for each model, in their order */
  readonly explanations: readonly Explanation[]
  /** of the node */
  readonly path: string
  readonly bodyFor: (candidate: Candidate, extras: BodyExtras) => string | Uint8Array
  /** drawn with the order: what {@link BodyExtras} sends */
  readonly seed: number
  /** what audits may be told of it; null: nothing */
  readonly shape: CallShape | null
  /** answers asked for: each may end in tokens without text */
  readonly choices: number
  readonly stream: boolean
  readonly holdNanos: Nanos
  readonly startedAt: Instant
  /** null without an Idempotency-Key */
  readonly once: Once | null
}

/** What differs between tasks: which units at most, which path, which body. */
export interface OrderDraft {
  /** of the model, or one of these */
  readonly task: Task | ReadonlySet<Task>
  readonly path: string
  readonly stream: boolean
  readonly most: (model: Model) => Units
  /** tokens of the longest sequence alone; absent: all of `most` is one */
  readonly longestTokens?: (model: Model) => bigint
  /** absent: one */
  readonly choices?: number
  /** what only the model can tell of the request. @throws GatewayError with the field's name */
  readonly check?: (model: Model) => void
  readonly bodyFor: (model: Model, offer: Offer, extras: BodyExtras) => string | Uint8Array
  readonly once?: Once | null
  /** who may serve it, as the caller says */
  readonly preferences?: ProviderPreferences | null
  /** request fields in use that not every engine honours */
  readonly parameters?: ReadonlySet<Parameter>
  /** asked in turn when the model asked for cannot serve it */
  readonly fallbackModels?: readonly string[]
  /** absent: audits are told nothing of it */
  readonly shape?: Omit<CallShape, 'path' | 'bodyBytes'>
}

export interface OrderNeeds {
  readonly market: Market
  readonly clock: Clock
  readonly random: RandomBytes
}

/** @throws GatewayError model_not_found, model_withdrawn, model_blocked, unsupported_model_task */
export async function findModel(
  market: Market,
  id: string,
  task: OrderDraft['task'],
  background: Background,
): Promise<Snapshot> {
  const snapshot = isModelId(id) ? await market.snapshot(id, background) : null
  if (!snapshot) throw new GatewayError('model_not_found', { param: 'model', detail: 'See GET /v1/models.' })
  requireServed(snapshot.model)
  const { task: served } = snapshot.model.manifest
  const isServed = typeof task === 'string' ? served === task : task.has(served)
  if (!isServed) throw new GatewayError('unsupported_model_task', { param: 'model', detail: `It serves ${served}.` })
  return snapshot
}

export type Background = (work: Promise<unknown>) => void

/** The caller of an order, as the flow of its call sees it. */
export interface Caller {
  /** aborts when the caller leaves */
  readonly signal: AbortSignal
  readonly background: Background
  /** An attempt goes out now. What came before the first one was the gateway's own time. */
  readonly noteSent: () => void
}

/** An order made again for what a key may use. */
export interface Restriction {
  readonly callId: CallId
  readonly nodes: ReadonlySet<NodeId>
}

/**
 * @param only the order is made again, under the same call id, for these nodes
 * @throws GatewayError as findModel does; no_provider or provider_busy when nobody can serve it now; node_not_allowed
 * when none of `only` offers the model
 */
export async function prepareOrder(
  needs: OrderNeeds,
  principal: KeyPrincipal,
  modelId: ModelId | string,
  draft: OrderDraft,
  background: Background,
  only: Restriction | null = null,
): Promise<Order> {
  const now = needs.clock()
  const snapshot = await findModel(needs.market, modelId, draft.task, background)
  const { model } = snapshot
  draft.check?.(model)
  const most = draft.most(model)
  const seed = base64url(needs.random(12))
  const permitted = only ? snapshot.offers.filter(({ nodeId }) => only.nodes.has(nodeId)) : snapshot.offers
  if (only && permitted.length === 0) throw new GatewayError('node_not_allowed')
  const { local } = snapshot
  const ranking = rank(permitted, { seed, now, estimate: most, local })
  const byId = new Map(permitted.map((offer) => [offer.nodeId, offer]))
  const offers = ranking.order.flatMap((id) => byId.get(id) ?? []).slice(0, LIMITS.attemptsMax)
  if (offers.length === 0) {
    throw new GatewayError(ranking.refusal ?? 'no_provider', {
      retryAfterSeconds: ranking.refusal === 'provider_busy' ? 1 : 5,
    })
  }
  const longestTokens = draft.longestTokens?.(model) ?? most.inputTokens + most.outputTokens
  const candidates = offers.map((offer) => ({ model, offer, most, longestTokens }))
  return {
    callId: only?.callId ?? newCallId(now, needs.random),
    principal,
    model,
    candidates,
    explanations: [ranking.explanation],
    path: draft.path,
    bodyFor: (candidate, extras) => draft.bodyFor(candidate.model, candidate.offer, extras),
    seed: new DataView(needs.random(4).buffer).getUint32(0) >>> 1,
    shape: null,
    choices: draft.choices ?? 1,
    stream: draft.stream,
    holdNanos: quote(candidates),
    startedAt: now,
    once: draft.once ?? null,
  }
}

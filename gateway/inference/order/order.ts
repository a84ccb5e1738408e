// An order is a request made ready: the model and its offers, the choice among them, the exact bodies for the nodes, the highest cost.
// Everything in it is frozen before money is held; whatever happens later is measured against it.
import type { Task } from '../../../protocol/model.ts'
import type { Units } from '../../../protocol/price.ts'
import type { Continent, Parameter, ProviderPreferences } from '../../../protocol/routing.ts'
import {
  nanos,
  newCallId,
  type CallId,
  type Instant,
  type ModelId,
  type Nanos,
  type NodeId,
  type RandomBytes,
} from '../../../protocol/units.ts'
import { base64url } from '../../../protocol/canonical.ts'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Parameters } from '../../core/parameters.ts'
import type { KeyPrincipal } from '../../core/principal.ts'
import type { CallShape, Market, Model, Offer } from '../../market/market-port.ts'
import type { Once } from '../idempotency/idempotent.ts'
import { seated } from '../quorum/bench.ts'
import { benchOf, type Bench } from '../quorum/jurors.ts'
import type { TextTraits } from '../resume/resume.ts'
import { findModels, rankModel, refusalOfRanked, takeCandidates, type ModelChoice } from './order-models.ts'
import { withPriceLock, type PriceLocks } from './price-lock.ts'
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
  /** delivered already by others, of the only choice: this one goes on from there; null: it begins */
  readonly prefix: { readonly text: string; readonly tokens: number } | null
}

export interface Order {
  readonly callId: CallId
  readonly principal: KeyPrincipal
  /** that was asked for */
  readonly model: Model
  /** in the order they are to be asked, at most LIMITS.attemptsMax: of the model asked for, then of its fallbacks */
  readonly candidates: readonly Candidate[]
  /** how many of them are asked at the same time, all of one model, and must agree; null: one after another */
  readonly bench: Bench | null
  /** one for each model, in their order */
  readonly explanations: readonly ModelChoice[]
  /** who may serve it, as the caller says; null: anybody */
  readonly preferences: ProviderPreferences | null
  /** of the node */
  readonly path: string
  readonly bodyFor: (candidate: Candidate, extras: BodyExtras) => string | Uint8Array
  /** drawn with the order: what {@link BodyExtras} sends */
  readonly seed: number
  /** what audits may be told of it, beside the bytes of each attempt's body; null: nothing */
  readonly shape: Omit<CallShape, 'bodyBytes'> | null
  /** answers asked for: each may end in tokens without text */
  readonly choices: number
  /** who can go on with its answer when a node breaks off; absent: nobody */
  readonly text?: TextTraits | null
  readonly stream: boolean
  readonly holdNanos: Nanos
  readonly startedAt: Instant
  /** what the house takes and keeps back, as it held when the order was made */
  readonly house: HouseTerms
  /** null without an Idempotency-Key */
  readonly once: Once | null
}

export interface HouseTerms {
  readonly feeBps: number
  /** of the operator's share, while its node is in probation */
  readonly vestingShareBps: number
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
  /** that the longest sequence has in any vocabulary, with one of output: absent where bytes prove nothing */
  readonly leastTokens?: number
  /** absent: one */
  readonly choices?: number
  /** of a text: who can go on with its answer; absent: nobody */
  readonly text?: TextTraits
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
  /** where the caller is; absent: not known */
  readonly callerRegion?: Continent | null
  /** prices this caller was promised, null for who is not to be asked; absent: those of today */
  readonly repriced?: (offer: Offer) => Offer | null
  /** candidates of each model; absent: so many in all as one call may ask */
  readonly breadth?: number
  /** absent: audits are told nothing of it */
  readonly shape?: Omit<CallShape, 'path' | 'bodyBytes'>
}

export interface OrderNeeds {
  readonly market: Market
  readonly priceLocks: PriceLocks
  readonly parameters: Pick<Parameters, 'now'>
  readonly clock: Clock
  readonly random: RandomBytes
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
  /** null: all */
  readonly nodes: ReadonlySet<NodeId> | null
}

/**
 * @param only the order is made again, under the same call id, for these nodes
 * @throws GatewayError as findModels does; no_provider, provider_busy or context_length_exceeded when nobody can serve it now; node_not_allowed when
 * none of `only` offers one of its models
 */
export async function prepareOrder(
  needs: OrderNeeds,
  principal: KeyPrincipal,
  modelId: ModelId | string,
  given: OrderDraft,
  background: Background,
  only: Restriction | null = null,
): Promise<Order> {
  const now = needs.clock()
  const draft = await withPriceLock(needs.priceLocks, principal, given, now)
  const bench = benchOf(draft.preferences)
  const [{ asked, served }, { feeBps, probationVestingBps }] = await Promise.all([
    findModels(needs.market, modelId, draft, background),
    needs.parameters.now(background),
  ])
  for (const { model } of served) draft.check?.(model)
  const seed = base64url(needs.random(12))
  const ranked = served.map((snapshot) => rankModel(snapshot, draft, { seed, now, only, bench }))
  const isOffered = ({ nodeId }: Offer) => !only?.nodes || only.nodes.has(nodeId)
  if (only?.nodes && !served.some(({ offers }) => offers.some(isOffered))) throw new GatewayError('node_not_allowed')
  const taken = bench ? ranked.flatMap(({ candidates }) => candidates) : takeCandidates(ranked, draft.breadth ?? null)
  if (taken.length === 0) throw refusalOfRanked(ranked, now, draft.repriced !== undefined)
  const candidates = bench ? seated(taken, bench, draft) : taken
  return {
    callId: only?.callId ?? newCallId(now, needs.random),
    principal,
    model: asked,
    candidates,
    bench,
    explanations: ranked.map(({ snapshot, ranking }) => ({ model: snapshot.model.id, ...ranking.explanation })),
    preferences: draft.preferences ?? null,
    path: draft.path,
    bodyFor: (candidate, extras) => draft.bodyFor(candidate.model, candidate.offer, extras),
    seed: new DataView(needs.random(4).buffer).getUint32(0) >>> 1,
    shape: draft.shape ? { path: draft.path, ...draft.shape } : null,
    choices: draft.choices ?? 1,
    text: draft.text ?? null,
    stream: draft.stream,
    holdNanos: nanos(quote(candidates) * BigInt(bench?.n ?? 1)),
    startedAt: now,
    house: { feeBps, vestingShareBps: probationVestingBps },
    once: draft.once ?? null,
  }
}

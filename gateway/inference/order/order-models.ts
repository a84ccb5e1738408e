// The models of an order and who may serve each: the one asked for, then those its caller names to be used instead. Every model is looked up before
// anything is decided, so that a wrong name is told at once and not on the day it is needed.
import type { Units } from '../../../protocol/price.ts'
import { isModelId, type Instant, type ModelId } from '../../../protocol/units.ts'
import { GatewayError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { rank, type Explanation, type Ranking } from '../../market/choose/choose.ts'
import { refusalDetail } from '../../market/choose/refusal.ts'
import { wishesOf } from '../../market/choose/wishes.ts'
import type { Market, Model, Snapshot } from '../../market/market-port.ts'
import { isServed } from '../../market/models/model-state.ts'
import { depthFor, wishesOfBench, type Bench } from '../quorum/jurors.ts'
import type { Background, Candidate, OrderDraft, Restriction } from './order.ts'
import { requireServed } from './standing.ts'

/** The choice for one model, explained and replayable. */
export type ModelChoice = Explanation & { readonly model: ModelId }

export interface RankedModel {
  readonly snapshot: Snapshot
  readonly ranking: Ranking
  /** in the order of the ranking */
  readonly candidates: readonly Candidate[]
}

interface FoundModels {
  /** that was asked for, whatever its state */
  readonly asked: Model
  /** that may be served, in their order, each once */
  readonly served: readonly Snapshot[]
}

/**
 * A model that is withdrawn or blocked has nobody to serve it, so the next one is used; only when none is left its own refusal is told.
 * @throws GatewayError model_not_found or unsupported_model_task, naming `model` or `models.N`; model_withdrawn, model_blocked
 */
export async function findModels(
  market: Market,
  modelId: string,
  { task, fallbackModels = [] }: Pick<OrderDraft, 'task' | 'fallbackModels'>,
  background: Background,
): Promise<FoundModels> {
  const [asked, ...others] = await Promise.all([
    findModel(market, modelId, task, background, 'model'),
    ...fallbackModels.map((id, index) => findModel(market, id, task, background, `models.${index}`)),
  ])
  const each = [...new Map([asked, ...others].map((snapshot) => [snapshot.model.id, snapshot])).values()]
  const served = each.filter(({ model }) => isServed(model))
  if (served.length === 0) requireServed(asked.model)
  return { asked: asked.model, served }
}

async function findModel(
  market: Market,
  id: string,
  task: OrderDraft['task'],
  background: Background,
  param: string,
): Promise<Snapshot> {
  const snapshot = isModelId(id) ? await market.snapshot(id, background) : null
  if (!snapshot) throw new GatewayError('model_not_found', { param, detail: 'See GET /v1/models.' })
  const { task: served } = snapshot.model.manifest
  const isOfTask = typeof task === 'string' ? served === task : task.has(served)
  // A model of another task that nobody may be served with says the latter: it is what its caller cannot change.
  if (!isOfTask && isServed(snapshot.model))
    throw new GatewayError('unsupported_model_task', { param, detail: `It serves ${served}.` })
  return snapshot
}

interface RankedFor {
  /** of the draw */
  readonly seed: string
  readonly now: Instant
  /** nodes its key may use; null: all */
  readonly only: Restriction | null
  readonly bench: Bench | null
}

export function rankModel(snapshot: Snapshot, draft: OrderDraft, { seed, now, only, bench }: RankedFor): RankedModel {
  const { model, local } = snapshot
  const most = draft.most(model)
  // The snapshot's own array where nothing is changed: what is worked out for it is remembered.
  const offers = draft.repriced ? snapshot.offers.flatMap((offer) => draft.repriced?.(offer) ?? []) : snapshot.offers
  const { preferences = null, parameters = new Set(), callerRegion = null } = draft
  const wishes = wishesOf(preferences, parameters, callerRegion)
  const ranking = rank(offers, {
    seed,
    now,
    estimate: most,
    local,
    ...(only?.nodes && { permitted: only.nodes }),
    wishes: bench ? wishesOfBench(wishes) : wishes,
    needsTokens: draft.leastTokens ?? 0,
    depth: bench ? depthFor(bench) : (draft.breadth ?? LIMITS.attemptsMax),
  })
  const byId = new Map(offers.map((offer) => [offer.nodeId, offer]))
  const longestTokens = draft.longestTokens?.(model) ?? longestOf(most)
  const candidates = ranking.order.flatMap((id) => {
    const offer = byId.get(id)
    return offer ? [{ model, offer, most, longestTokens }] : []
  })
  return { snapshot, ranking, candidates }
}

const longestOf = ({ inputTokens, outputTokens }: Units): bigint => inputTokens + outputTokens

/** @param breadth candidates of each model; null: so many in all as one call may ask */
export function takeCandidates(ranked: readonly RankedModel[], breadth: number | null): Candidate[] {
  const counts = ranked.map(({ candidates }) => candidates.length)
  const places = breadth === null ? sharePlaces(counts, LIMITS.attemptsMax) : counts.map(() => breadth)
  return ranked.flatMap(({ candidates }, index) => candidates.slice(0, places[index]))
}

/**
 * How many nodes of each model one call may ask. The one asked for has two before any other has one, so that a single node in trouble does not lead
 * to another model; then every other model has one while there are places, and what is left goes to them in their order.
 * @example 4 places: nodes 9 -> 4; 9, 9 -> 3, 1; 1, 9, 9 -> 1, 2, 1; 9, 9, 9, 9 -> 2, 1, 1, 0
 */
export function sharePlaces(counts: readonly number[], places: number): number[] {
  const shares = counts.map(() => 0)
  let left = places
  const give = (index: number, upTo: number) => {
    const has = shares[index] ?? 0
    const more = Math.max(0, Math.min(upTo, counts[index] ?? 0, has + left) - has)
    shares[index] = has + more
    left -= more
  }
  counts.forEach((_, index) => give(index, index === 0 ? 2 : 1))
  counts.forEach((count, index) => give(index, count))
  return shares
}

/** Nobody can serve any of these models now: why of each, and when to come back. @param isLocked a price lock says who may be asked */
export function refusalOfRanked(ranked: readonly RankedModel[], now: Instant, isLocked = false): GatewayError {
  const detail = `${detailOf(ranked)}${isLocked ? ' Only offers that the price lock names may serve it.' : ''}`
  const codes = ranked.map(({ ranking }) => ranking.refusal ?? 'no_provider')
  // What ends by itself comes first: a caller who is told that its request is too long does not come back.
  if (codes.includes('provider_busy')) {
    const retryAfterSeconds = secondsUntilFree(ranked, now)
    return new GatewayError('provider_busy', { retryAfterSeconds, detail })
  }
  if (codes.includes('no_provider')) {
    // Where there are offers, it is the caller's own wishes that leave them out: coming back in a moment would change nothing.
    const isWished = ranked.some(({ snapshot }) => snapshot.offers.length > 0)
    const why = { retryAfterSeconds: AWAY_SECONDS, detail }
    return new GatewayError('no_provider', isWished ? { ...why, headers: { 'x-should-retry': 'false' } } : why)
  }
  const largest = Math.max(...ranked.flatMap(({ snapshot }) => snapshot.offers.map((offer) => offer.contextTokens)))
  return new GatewayError('context_length_exceeded', { detail: `At most ${largest} tokens are served now.` })
}

function detailOf(ranked: readonly RankedModel[]): string {
  const said = ranked.map(({ snapshot, ranking }) => ({ id: snapshot.model.id, why: refusalDetail(ranking) ?? '' }))
  return said.map(({ id, why }) => (said.length === 1 ? why : `${id}: ${why}`)).join(' ')
}

/** s after which a snapshot is another one */
const AWAY_SECONDS = 5

/** Whole seconds until the first of those that said when to come back; one when none did: places are freed all the time. */
function secondsUntilFree(ranked: readonly RankedModel[], now: Instant): number {
  const waits = ranked.flatMap(({ snapshot }) =>
    [...snapshot.local.values()].flatMap(({ busyUntil }) => (busyUntil === null ? [] : [busyUntil - now])),
  )
  return waits.length === 0 ? 1 : Math.max(1, Math.ceil(Math.min(...waits) / 1_000))
}

// Registration of a node (flow): a signed-in operator, two signatures, an acceptable endpoint, offers for models that exist. The same key again by the
// same operator is an update that keeps the id and the history; a changed endpoint must be proved again. Nothing is called here except the
// resolver: the endpoint proof and the probes follow in the background.
import {
  fromUsd,
  newNodeId,
  toSqlInteger,
  type AccountId,
  type Instant,
  type RandomBytes,
} from '../../protocol/units.ts'
import type { OfferRequest, RegisterNodeRequest } from '../../protocol/node.ts'
import type { Clock } from '../core/clock.ts'
import type { Config } from '../core/env.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { checkEndpoint, checkResolved, type Resolve } from '../link/endpoint-guard.ts'
import { REASON } from './admission.ts'
import { checkAuthorization } from './authorization.ts'
import type { NodeBook, NodeRecord } from './node-book.ts'
import { asNodeId, toModel, type NodeRow, type OfferRow } from './rows.ts'

export interface RegisterNeeds {
  readonly book: NodeBook
  readonly config: Pick<Config, 'chainId' | 'isLocal'>
  /** absent: names are not looked up (local mode) */
  readonly resolve?: Resolve
  readonly clock: Clock
  readonly random: RandomBytes
}

/** Highest prices that are no slip of the pen, in decimal dollars. */
const PRICE_MAX = { perMillion: fromUsd('1000'), perCall: fromUsd('10') }

/** @throws GatewayError authorization_refused, endpoint_refused, model_not_found, invalid_request, conflict */
export async function registerNode(
  needs: RegisterNeeds,
  request: RegisterNodeRequest,
  account: AccountId,
): Promise<NodeRecord> {
  const now = needs.clock()
  const operatorAddress = await requireAuthorization(needs, request, account, now)
  await requireEndpoint(needs, request.endpoint)
  const existing = await requireKeyOf(needs, request.nodeKey, account)
  await requireModels(needs.book, request.offers)
  const isMoved = existing?.endpoint !== request.endpoint
  const node: NodeRow = {
    id: existing?.id ?? newNodeId(needs.random),
    name: request.name,
    operatorAccountId: account,
    operatorAddress,
    nodeKey: request.nodeKey,
    settlementKey: request.settlementKey,
    endpoint: request.endpoint,
    // A node that has moved says anew what it speaks, and has no link yet.
    wireVersion: isMoved ? null : existing.wireVersion,
    linkUpAt: isMoved ? null : existing.linkUpAt,
    linkDownAt: isMoved ? null : existing.linkDownAt,
    ...stateAfter(existing, isMoved),
    seenAt: existing?.seenAt ?? null,
    createdAt: existing?.createdAt ?? now,
  }
  const nodeId = asNodeId(node.id)
  const before = existing ? ((await needs.book.find(nodeId))?.offers ?? []) : []
  const isLive = (modelId: string) =>
    !isMoved && before.some(({ offer }) => offer.modelId === modelId && offer.state === 'live')
  const offers = request.offers.map((offer) => toRow(node.id, offer, isLive(offer.model), now))
  await save(needs.book, node, offers, account, now)
  const saved = await needs.book.find(nodeId)
  if (!saved) throw new GatewayError('conflict', { param: 'nodeKey' })
  return saved
}

async function requireAuthorization(
  needs: RegisterNeeds,
  request: RegisterNodeRequest,
  account: AccountId,
  now: Instant,
): Promise<string> {
  const context = { chainId: needs.config.chainId, nowSeconds: Math.floor(now / 1_000) }
  const checked = await checkAuthorization(request, context)
  if (!checked.ok) throw new GatewayError(checked.code, { detail: checked.detail })
  if (!(await needs.book.hasWallet(account, checked.value)))
    throw new GatewayError('authorization_refused', {
      param: 'operator',
      detail: 'The operator address is not a wallet of this account.',
    })
  return checked.value
}

async function requireEndpoint(needs: RegisterNeeds, endpoint: string): Promise<void> {
  const refuse = (detail?: string) => new GatewayError('endpoint_refused', { param: 'endpoint', detail })
  // Both sides sign and compare the endpoint as text, so there is one way to write it.
  if (endpoint.endsWith('/')) throw refuse('It must not end with a slash.')
  const policy = { allowLocal: needs.config.isLocal }
  const checked = checkEndpoint(endpoint, policy)
  if (!checked.ok) throw refuse(checked.detail)
  if (!needs.resolve) return
  const resolved = await checkResolved(checked.value, policy, needs.resolve)
  if (!resolved.ok) throw refuse(resolved.detail)
}

async function requireKeyOf(needs: RegisterNeeds, nodeKey: string, account: AccountId): Promise<NodeRow | undefined> {
  const existing = await needs.book.findByKey(nodeKey)
  if (existing && existing.operatorAccountId !== account)
    throw new GatewayError('conflict', { param: 'nodeKey', detail: 'This node key belongs to another operator.' })
  if (!existing && (await needs.book.countOf(account)) >= LIMITS.nodesPerOperator)
    throw new GatewayError('conflict', { detail: `An operator has at most ${LIMITS.nodesPerOperator} nodes.` })
  return existing
}

async function requireModels(book: NodeBook, offers: readonly OfferRequest[]): Promise<void> {
  const ids = offers.map(({ model }) => model)
  if (new Set(ids).size !== ids.length)
    throw new GatewayError('invalid_request', { param: 'offers', detail: 'Each model is offered once.' })
  const known = new Map((await book.modelsById(ids)).map((row) => [row.id, toModel(row)]))
  for (const [index, offer] of offers.entries()) {
    const wrong = (field: string, detail: string) =>
      new GatewayError('invalid_request', { param: `offers.${index}.${field}`, detail })
    const model = known.get(offer.model)
    if (!model) throw new GatewayError('model_not_found', { param: `offers.${index}.model` })
    if (model.digest !== offer.digest) throw wrong('digest', `The digest of "${model.id}" is ${model.digest}.`)
    if (offer.contextTokens > model.manifest.contextTokens)
      throw wrong('contextTokens', `The context of "${model.id}" is ${model.manifest.contextTokens}.`)
    if (offer.outputTokensMax > model.manifest.outputTokensMax)
      throw wrong('outputTokensMax', `"${model.id}" gives at most ${model.manifest.outputTokensMax}.`)
    for (const [field, usd] of Object.entries(offer.prices)) {
      const max = field === 'perCall' ? PRICE_MAX.perCall : PRICE_MAX.perMillion
      if (usd !== undefined && fromUsd(usd) > max) throw wrong(`prices.${field}`, 'This price is absurdly high.')
    }
  }
}

/** What a person or an audit decided about a node outlives its registrations. */
function stateAfter(existing: NodeRow | undefined, isMoved: boolean): Pick<NodeRow, 'state' | 'reason' | 'provedAt'> {
  const isStopped = existing?.state === 'draining' || existing?.state === 'suspended'
  if (existing && isStopped)
    return { state: existing.state, reason: existing.reason, provedAt: isMoved ? null : existing.provedAt }
  if (existing && !isMoved) return { state: existing.state, reason: existing.reason, provedAt: existing.provedAt }
  return { state: 'pending', reason: REASON.unproved, provedAt: null }
}

function toRow(nodeId: string, offer: OfferRequest, isLive: boolean, now: Instant): OfferRow {
  const { prices } = offer
  const nanosOf = (usd: string) => toSqlInteger(fromUsd(usd))
  return {
    nodeId,
    modelId: offer.model,
    state: isLive ? 'live' : 'pending',
    reason: isLive ? null : REASON.unprobed,
    inputPriceNanos: nanosOf(prices.inputPerMillion),
    outputPriceNanos: nanosOf(prices.outputPerMillion),
    cachedInputPriceNanos: nanosOf(prices.cachedInputPerMillion ?? prices.inputPerMillion),
    bytesPriceNanos: nanosOf(prices.bytesPerMillion ?? '0'),
    callPriceNanos: nanosOf(prices.perCall),
    contextTokens: offer.contextTokens,
    outputTokensMax: offer.outputTokensMax,
    concurrencyMax: offer.concurrencyMax,
    breaker: 'closed',
    breakerUntil: null,
    successPpm: null,
    firstTokenMs: null,
    unitsPerKs: null,
    inFlight: 0,
    driftPpm: null,
    assurance: offer.assurance ?? 'pinned',
    // What the book finds when it writes.
    priceVersion: 1,
    updatedAt: now,
  }
}

async function save(
  book: NodeBook,
  node: NodeRow,
  offers: readonly OfferRow[],
  account: AccountId,
  now: Instant,
): Promise<void> {
  try {
    await book.save(node, offers, now)
  } catch (cause) {
    // Two registrations of one key at the same moment: the unique index let one of them through.
    const winner = await book.findByKey(node.nodeKey)
    const isLost = winner && (winner.id !== node.id || winner.operatorAccountId !== account)
    throw isLost ? new GatewayError('conflict', { param: 'nodeKey', cause }) : cause
  }
}

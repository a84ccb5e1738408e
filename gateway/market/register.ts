// Registration of a node (flow): a signed-in operator, two signatures, an acceptable endpoint, offers for models that exist. The same key again by the
// same operator is an update that keeps the id and the history; a changed endpoint must be proved again. Nothing is called here except the
// resolver: the endpoint proof and the probes follow in the background.
import type { RegisterNodeRequest } from '../../protocol/node.ts'
import { newNodeId, type AccountId, type Instant, type RandomBytes } from '../../protocol/units.ts'
import type { Clock } from '../core/clock.ts'
import type { Config } from '../core/env.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { checkEndpoint, checkResolved, type Resolve } from '../link/endpoint-guard.ts'
import { REASON } from './admission.ts'
import { checkAuthorization } from './authorization.ts'
import type { NodeBook, NodeRecord } from './node-book.ts'
import { requireOffers, toOfferRow } from './offers.ts'
import { asNodeId, type NodeRow, type OfferRow } from './rows.ts'

export interface RegisterNeeds {
  readonly book: NodeBook
  readonly config: Pick<Config, 'chainId' | 'isLocal'>
  /** absent: names are not looked up (local mode) */
  readonly resolve?: Resolve
  readonly clock: Clock
  readonly random: RandomBytes
}

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
  await requireOffers(needs.book, request.offers)
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
  const offers = request.offers.map((offer) => toOfferRow(node.id, offer, isLive(offer.model), now))
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

/** What a person or an audit decided about a node outlives its registrations. */
function stateAfter(existing: NodeRow | undefined, isMoved: boolean): Pick<NodeRow, 'state' | 'reason' | 'provedAt'> {
  const isStopped = existing?.state === 'draining' || existing?.state === 'suspended'
  if (existing && isStopped)
    return { state: existing.state, reason: existing.reason, provedAt: isMoved ? null : existing.provedAt }
  if (existing && !isMoved) return { state: existing.state, reason: existing.reason, provedAt: existing.provedAt }
  return { state: 'pending', reason: REASON.unproved, provedAt: null }
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

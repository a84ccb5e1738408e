// Registration of a node (flow): a signed-in operator, two signatures, an acceptable endpoint, offers for models that exist. The same key again by the
// same operator is an update that keeps the id and the history; a changed endpoint must be proved again. Nothing is called here except the
// resolver: the endpoint proof and the probes follow in the background.
import { LINK_CLOSE, LINK_ENDPOINT } from '../../../protocol/link.ts'
import type { RegisterNodeRequest } from '../../../protocol/node.ts'
import { newNodeId, type AccountId, type Instant, type NodeId, type RandomBytes } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import type { Config } from '../../core/env.ts'
import { GatewayError, logError } from '../../core/errors.ts'
import { LIMITS, NODE_QUOTAS, type NodeQuotas } from '../../core/limits.ts'
import { refusal } from '../../core/refusal.ts'
import { checkEndpoint, checkResolved, type Resolve } from '../../link/endpoint-guard.ts'
import { REASON } from '../admission/admission.ts'
import { checkAuthorization } from './authorization.ts'
import type { NodeBook, NodeRecord } from './node-book.ts'
import type { NodeGuards } from '../guard/node-guard.ts'
import { requireOffers, toOfferRow } from '../offers/offers.ts'
import { hostPrefix, quotaRefusal, type Entry, type EntryLimits } from './quota.ts'
import { asNodeId, type NodeRow, type OfferRow } from '../rows.ts'

export interface RegisterNeeds {
  readonly book: NodeBook
  readonly nodeGuards: NodeGuards
  readonly config: Pick<Config, 'chainId' | 'isLocal'>
  /** absent: names are not looked up (local mode) */
  readonly resolve?: Resolve
  readonly clock: Clock
  readonly random: RandomBytes
  /** absent: those of limits.ts, and under the local switch none */
  readonly quotas?: NodeQuotas
}

/** @throws GatewayError authorization_refused, endpoint_refused, model_not_found, invalid_request, conflict, rate_limited */
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
  if (existing) await requirePace(needs, existing)
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
    region: existing?.region ?? null,
    createdAt: existing?.createdAt ?? now,
  }
  const nodeId = asNodeId(node.id)
  const before = existing ? ((await needs.book.find(nodeId))?.offers ?? []) : []
  // Who moved or comes back answers its probes anew; its health, its trust and what it has served stay with it all the while.
  const isProbedAnew = isMoved || existing.state === 'revoked'
  const isLive = (modelId: string) =>
    !isProbedAnew && before.some(({ offer }) => offer.modelId === modelId && offer.state === 'live')
  const offers = request.offers.map((offer) => toOfferRow(node.id, offer, isLive(offer.model), now))
  await save(needs, node, offers, entryOf(existing, request.endpoint), now)
  if (existing && isMoved) await dropLink(needs, nodeId)
  const saved = await needs.book.find(nodeId)
  if (!saved) throw new GatewayError('conflict', { param: 'nodeKey' })
  return saved
}

/** A link that stands was shown for the place the node had: the node comes back by a new one, which is shown anew, or is told that it has an address. */
async function dropLink({ nodeGuards }: RegisterNeeds, nodeId: NodeId): Promise<void> {
  await nodeGuards(nodeId)
    .dropLink(LINK_CLOSE.going, 'It was registered anew.')
    .catch((error: unknown) => logError(error, null))
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
  // Its own link is no address: whoever opens it has the node's key.
  if (endpoint === LINK_ENDPOINT) return
  const refuse = (detail?: string) => new GatewayError('endpoint_refused', { param: 'endpoint', detail })
  // Both sides sign and compare the endpoint as text, so there is one way to write it.
  if (endpoint.endsWith('/')) throw refuse('It must not end with a slash.')
  const policy = { allowLocal: needs.config.isLocal }
  const checked = checkEndpoint(endpoint, policy)
  if (!checked.ok) throw refuse(checked.detail)
  // Nodes are counted by their host, so that has one spelling too.
  const { origin, hostname } = checked.value
  if (!endpoint.startsWith(origin)) throw refuse(`Its host is to be written ${hostname}.`)
  if (!needs.resolve) return
  const resolved = await checkResolved(checked.value, policy, needs.resolve)
  if (!resolved.ok) throw refuse(resolved.detail)
}

async function requireKeyOf(needs: RegisterNeeds, nodeKey: string, account: AccountId): Promise<NodeRow | undefined> {
  const existing = await needs.book.findByKey(nodeKey)
  if (existing && existing.operatorAccountId !== account)
    throw new GatewayError('conflict', { param: 'nodeKey', detail: 'This node key belongs to another operator.' })
  if (!existing && (await needs.book.keys.find(nodeKey))) throw keyWasExchanged()
  return existing
}

/** Quotas stop who is new; who is there already could go on for ever. */
async function requirePace(needs: RegisterNeeds, { id }: NodeRow): Promise<void> {
  const { apartMs } = limitsOf(needs)
  const waitMs = apartMs === 0 ? 0 : await needs.nodeGuards(asNodeId(id)).pace('registration', apartMs)
  if (waitMs > 0) throw new GatewayError('rate_limited', { retryAfterSeconds: Math.ceil(waitMs / 1_000) })
}

const keyWasExchanged = (cause?: unknown) => {
  const detail = 'This key was exchanged for another one and is never registered again.'
  return new GatewayError('conflict', { param: 'nodeKey', detail, cause })
}

/** Null: an update of a node that is there, at the host it had. */
function entryOf(existing: NodeRow | undefined, endpoint: string): Entry | null {
  if (!existing) return 'new'
  if (existing.state === 'revoked') return 'back'
  return hostPrefix(existing.endpoint) === hostPrefix(endpoint) ? null : 'moved'
}

/** A machine of one's own has nobody to be guarded from, and all its nodes behind one host. */
const LIFTED: NodeQuotas = { perHour: 1_000_000, pending: 1_000_000, perHost: 1_000_000, apartMs: 0 }

const limitsOf = ({ quotas, config }: RegisterNeeds): EntryLimits => ({
  ...(quotas ?? (config.isLocal ? LIFTED : NODE_QUOTAS)),
  owned: LIMITS.nodesPerOperator,
})

/** What a person or an audit decided about a node outlives its registrations; what its operator revoked, its wallet gives again. */
function stateAfter(existing: NodeRow | undefined, isMoved: boolean): Pick<NodeRow, 'state' | 'reason' | 'provedAt'> {
  if (existing?.state === 'revoked') return { state: 'pending', reason: REASON.unproved, provedAt: null }
  const isStopped = existing?.state === 'draining' || existing?.state === 'suspended'
  if (existing && isStopped)
    return { state: existing.state, reason: existing.reason, provedAt: isMoved ? null : existing.provedAt }
  if (existing && !isMoved) return { state: existing.state, reason: existing.reason, provedAt: existing.provedAt }
  return { state: 'pending', reason: REASON.unproved, provedAt: null }
}

async function save(
  needs: RegisterNeeds,
  node: NodeRow,
  offers: readonly OfferRow[],
  entry: Entry | null,
  now: Instant,
): Promise<void> {
  const { book } = needs
  const limits = limitsOf(needs)
  try {
    await book.save(node, offers, { entry, limits }, now)
  } catch (cause) {
    // The batch failed as a whole. Two registrations of one key at the same moment: the unique index let one of them through.
    const winner = await book.findByKey(node.nodeKey)
    if (winner && winner.id !== node.id) throw new GatewayError('conflict', { param: 'nodeKey', cause })
    if (!winner && (await book.keys.find(node.nodeKey))) throw keyWasExchanged(cause)
    const over = entry && quotaRefusal(entry, await book.counts(node, now), limits, now)
    if (over?.code === 'endpoint_refused') throw new GatewayError(over.code, { ...over, param: 'endpoint' })
    throw over ? refusal(over) : cause
  }
}

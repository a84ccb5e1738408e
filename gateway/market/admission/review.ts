// Review of a node (flow): prove its endpoint, probe its pending offers, let the rule decide, write it down. Runs after a registration, on a node's
// hello and from the cron; running it twice does no harm. Bounded in time and in offers; what is left over is the next run's.
import { NodeState } from '../../../protocol/node.ts'
import { PARAMETER_DEFAULTS } from '../../core/limits.ts'
import { unawaited, type Parameters } from '../../core/parameters.ts'
import type { NodeId } from '../../../protocol/units.ts'
import { admit, type ReviewedOffer } from './admission.ts'
import type { NodeBook, NodeRecord } from '../nodes/node-book.ts'
import type { NodeGuards } from '../guard/node-guard.ts'
import { probeOffer, type ProbeNeeds, type ProbeResult } from './probe.ts'
import { proveEndpoint } from './prove.ts'
import { asModelId, asNodeId, toModel, toOffer, type NodeRow } from '../rows.ts'

export interface ReviewNeeds extends ProbeNeeds {
  readonly book: NodeBook
  readonly nodeGuards: NodeGuards
  /** what the house has set; absent: nothing */
  readonly parameters?: Pick<Parameters, 'now'>
  /** ms of the endpoint proof; absent: 5 s */
  readonly proofMs?: number
}

/** ms of one review: a caller waits for it */
const REVIEW_MS = 25_000
/** offers probed in one review: each takes up to 16 requests, and a Worker may make a bounded number of them */
const OFFERS_MAX = 8

/** @param options.proveAgain the endpoint is proved even when it was before */
export async function reviewNode(needs: ReviewNeeds, nodeId: NodeId, options: { proveAgain: boolean }): Promise<void> {
  const record = await needs.book.find(nodeId)
  if (!record || record.node.state === 'suspended' || record.node.state === 'revoked') return
  if (options.proveAgain || record.node.provedAt === null) {
    const isProved = await prove(needs, record.node)
    if (!isProved) return
  }
  const deadline = AbortSignal.timeout(REVIEW_MS)
  const reviewed: ReviewedOffer[] = []
  for (const { offer, model, isDue } of withDue(record)) {
    const state = offer.state === 'live' || offer.state === 'paused' ? offer.state : 'pending'
    const ready = toOffer(offer, record.node, needs.clock())
    // One after the other: a small node is asked for what one caller would ask, not for everything at once.
    const probe: ProbeResult | null = isDue ? await probeOffer(needs, ready, toModel(model), deadline) : null
    reviewed.push({ modelId: asModelId(offer.modelId), state, reason: offer.reason, probe })
  }
  const guard = needs.nodeGuards(nodeId)
  const { state, reason } = record.node
  const served = state === 'pending' ? await guard.servedAttempts() : 0
  const { probationCalls } = (await needs.parameters?.now(unawaited)) ?? PARAMETER_DEFAULTS
  const admission = admit({ state: NodeState.parse(state), reason }, reviewed, served, probationCalls)
  // First the guard: a node that is live in the registry must not carry yesterday's open breaker.
  if (admission.isAdmitted) await guard.admitted(nodeId)
  await needs.book.admitted(record.node, admission, needs.clock())
}

async function prove(needs: ReviewNeeds, node: NodeRow): Promise<boolean> {
  const nodeId = asNodeId(node.id)
  const timeout = needs.proofMs === undefined ? {} : { timeoutMs: needs.proofMs }
  const proof = await proveEndpoint({ link: needs.link, random: needs.random, ...timeout }, { ...node, id: nodeId })
  if (proof.ok) await needs.book.proved(node, proof.value.wireVersion, needs.clock())
  // A link that is away proves nothing against its node, which keeps its place until it is back.
  else if (proof.code === 'endpoint_unproved')
    await needs.book.unproved(node, `The endpoint proof failed. ${proof.detail}`)
  return proof.ok
}

function withDue({ offers }: NodeRecord) {
  let left = OFFERS_MAX
  return offers.map(({ offer, model }) => ({ offer, model, isDue: offer.state === 'pending' && left-- > 0 }))
}

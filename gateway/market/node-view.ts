// A node as its operator sees it: every offer says in words why it gets no traffic, or nothing when it gets some. Pure.
import { Assurance, NodeState, type NodeView, type OfferView } from '../../protocol/node.ts'
import { toUsd, type Instant } from '../../protocol/units.ts'
import type { NodeSummary } from './node-book.ts'
import { priceOf, type OfferRow } from './rows.ts'

export function toNodeView({ node, offers }: NodeSummary, now: Instant): NodeView {
  return {
    id: node.id,
    name: node.name,
    nodeKey: node.nodeKey,
    operatorAccountId: node.operatorAccountId,
    endpoint: node.endpoint,
    state: NodeState.parse(node.state),
    reason: node.reason,
    offers: offers.map(({ offer, model }) => toOfferView(offer, model.digest, now)),
    createdAt: new Date(node.createdAt).toISOString(),
  }
}

function toOfferView(offer: OfferRow, digest: string, now: Instant): OfferView {
  const price = priceOf(offer)
  return {
    model: offer.modelId,
    digest,
    state: offer.state === 'live' || offer.state === 'paused' ? offer.state : 'pending',
    reason: offer.reason ?? breakerWords(offer, now),
    prices: {
      inputPerMillion: toUsd(price.inputPerMillion),
      outputPerMillion: toUsd(price.outputPerMillion),
      cachedInputPerMillion: toUsd(price.cachedInputPerMillion),
      bytesPerMillion: toUsd(price.bytesPerMillion),
      perCall: toUsd(price.perCall),
    },
    contextTokens: offer.contextTokens,
    outputTokensMax: offer.outputTokensMax,
    concurrencyMax: offer.concurrencyMax,
    assurance: Assurance.parse(offer.assurance),
    driftPpm: offer.driftPpm,
  }
}

function breakerWords(offer: OfferRow, now: Instant): string | null {
  if (offer.breaker === 'closed' || offer.breakerUntil === null || offer.breakerUntil <= now) return null
  return `Too many of its last calls failed. It is tried again at ${new Date(offer.breakerUntil).toISOString()}.`
}

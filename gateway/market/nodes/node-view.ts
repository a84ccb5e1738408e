// A node as its operator sees it: every offer says in words why it gets no traffic, or nothing when it gets some. Pure.
import { jcs, sha256Hex } from '../../../protocol/canonical.ts'
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import { Assurance, NodeState, type NodeView, type OfferView } from '../../../protocol/node.ts'
import { Continent } from '../../../protocol/routing.ts'
import type { Instant } from '../../../protocol/units.ts'
import { toldTrustPpm } from '../audits/told-trust.ts'
import type { NodeSummary } from './node-book.ts'
import { toPricesView } from '../offers/price-range.ts'
import { inFlightCapOf, parametersOf, priceOf, type NodeRow, type OfferRow } from '../rows.ts'

export function toNodeView({ node, offers }: NodeSummary, now: Instant): NodeView {
  const shown = offers.map(({ offer, model }) => toOfferView(offer, model.digest, now))
  return {
    id: node.id,
    name: node.name,
    nodeKey: node.nodeKey,
    operatorAccountId: node.operatorAccountId,
    endpoint: node.endpoint,
    state: NodeState.parse(node.state),
    reason: isStopped(node) ? node.reason : (linkWords(node) ?? node.reason),
    ...(node.endpoint === LINK_ENDPOINT ? { link: linkTimes(node) } : {}),
    wireVersion: node.wireVersion,
    region: Continent.safeParse(node.region).data ?? null,
    offers: shown,
    offersTag: tagOf(shown),
    createdAt: new Date(node.createdAt).toISOString(),
  }
}

/** Unlike before whenever what was told of an offer is, or which ones are offered; how they do is left out. */
const tagOf = (offers: readonly OfferView[]): string =>
  sha256Hex(jcs(offers.filter(({ state }) => state !== 'paused').map(toldOf))).slice(0, 32)

const toldOf = ({ model, digest, prices, contextTokens, outputTokensMax, concurrencyMax, ...rest }: OfferView) => {
  const { assurance = null, parameters = null, continues = null, collectsData = null } = rest
  return {
    ...{ model, digest, prices, contextTokens, outputTokensMax, concurrencyMax },
    ...{ assurance, parameters, continues, collectsData },
  }
}

/** What a person or an audit decided is the reason, whatever its link does. */
const isStopped = ({ state }: NodeRow): boolean => ['draining', 'suspended', 'revoked'].includes(state)

const linkTimes = ({ linkUpAt, linkDownAt }: NodeRow) => ({
  upSince: linkUpAt === null ? null : new Date(linkUpAt).toISOString(),
  downSince: linkDownAt === null ? null : new Date(linkDownAt).toISOString(),
})

/** Null: it has no link, or its link is up. */
function linkWords({ endpoint, linkUpAt, linkDownAt }: NodeRow): string | null {
  if (endpoint !== LINK_ENDPOINT || linkUpAt !== null) return null
  return linkDownAt === null
    ? 'It has not linked yet.'
    : `Its link is down since ${new Date(linkDownAt).toISOString()}.`
}

function toOfferView(offer: OfferRow, digest: string, now: Instant): OfferView {
  return {
    model: offer.modelId,
    digest,
    state: offer.state === 'live' || offer.state === 'paused' ? offer.state : 'pending',
    reason: offer.reason ?? breakerWords(offer, now),
    prices: toPricesView(priceOf(offer)),
    contextTokens: offer.contextTokens,
    outputTokensMax: offer.outputTokensMax,
    concurrencyMax: offer.concurrencyMax,
    assurance: Assurance.parse(offer.assurance),
    parameters: namesOf(offer),
    continues: offer.continues === 1,
    collectsData: offer.collectsData === null ? null : offer.collectsData === 1,
    trust: shareOf(toldTrustPpm(offer, now)),
    busyShare: shareOf(offer.busyPpm),
    inFlightCap: inFlightCapOf(offer),
    driftPpm: offer.driftPpm,
  }
}

function namesOf(offer: OfferRow): string[] | null {
  const known = parametersOf(offer)
  return known && [...known]
}

const shareOf = (ppm: number | null): number | null => (ppm === null ? null : ppm / 1_000_000)

function breakerWords(offer: OfferRow, now: Instant): string | null {
  if (offer.breaker === 'closed' || offer.breakerUntil === null || offer.breakerUntil <= now) return null
  return `Too many of its last calls failed. It is tried again at ${new Date(offer.breakerUntil).toISOString()}.`
}

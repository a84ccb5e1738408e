// One look at everything about a node (flow): its rows, what calls see of its rivals, its traffic, its operator's standing. What is read here is judged by
// node-status.ts; nothing is decided or written, so it may be asked as often as anybody likes.
import { Task } from '../../../protocol/model.ts'
import type {
  NodeStatusView,
  OfferHealthView,
  ProbationView,
  ReceiptsView,
  SanctionView,
  Traffic,
} from '../../../protocol/operator.ts'
import { ModelState } from '../../../protocol/publish.ts'
import type { AccountId, Instant, NodeId } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import { PARAMETER_DEFAULTS } from '../../core/limits.ts'
import { unawaited, type Parameters } from '../../core/parameters.ts'
import { vestsFrom } from '../admission/vesting.ts'
import { asTold } from '../audits/told-trust.ts'
import { readWindows } from '../health/windows.ts'
import type { Market } from '../market-port.ts'
import { noticesOf, reasonsOf, type OfferStanding } from './node-status.ts'
import { receiptWords } from './receipt-words.ts'
import { toNodeView } from './node-view.ts'
import type { OfferedNode } from '../offers/offer-book.ts'
import { priceRange } from '../offers/price-range.ts'
import { asAccountId, asModelId, asNodeId, toOffer } from '../rows.ts'

/** Sums of the book, which is the ledger's to read. */
export type TrafficOf = (
  nodeId: NodeId,
  now: Instant,
) => Promise<{
  readonly hour: Traffic
  readonly day: Traffic
  readonly month: Traffic
  readonly lastCallAt: Instant | null
}>

/** What of its calls has a receipt, and what was refused. */
export type ReceiptsOf = (nodeId: NodeId, now: Instant) => Promise<Omit<ReceiptsView, 'words'>>

export interface StatusNeeds {
  readonly market: Pick<Market, 'snapshot'>
  readonly traffic: TrafficOf
  readonly receipts: ReceiptsOf
  /** why an account is frozen; null when it is not */
  readonly frozen: (accountId: AccountId) => Promise<string | null>
  /** of a node that is suspended: why; null when nobody wrote it down */
  readonly suspension: (nodeId: NodeId) => Promise<SanctionView | null>
  /** attempts a node has served, as its guard counts them */
  readonly served: (nodeId: NodeId) => Promise<number>
  /** model -> tickets that it refused since it last answered, as its guard counts them */
  readonly ticketsRefused: (nodeId: NodeId) => Promise<Readonly<Record<string, number>>>
  /** what the house has set; absent: nothing */
  readonly parameters?: Pick<Parameters, 'now'>
  readonly clock: Clock
}

type Offered = OfferedNode['offers'][number]

/** @param background what may end behind the answer: snapshots that are refreshed */
export async function statusOf(
  needs: StatusNeeds,
  record: OfferedNode,
  background: (work: Promise<unknown>) => void,
): Promise<NodeStatusView> {
  const { node, offers } = record
  const now = needs.clock()
  const id = asNodeId(node.id)
  // A guard that does not answer keeps nobody from reading the rest.
  const refused = offers.some(hasFailed) ? await needs.ticketsRefused(id).catch(() => ({})) : {}
  const [market, { lastCallAt, hour, day, month }, frozen, probation, suspension, receipts] = await Promise.all([
    Promise.all(offers.map((offered) => standingOf(needs, node, offered, refused, background))),
    needs.traffic(id, now),
    needs.frozen(asAccountId(node.operatorAccountId)),
    node.state === 'probation' ? probationOf(needs, id, now) : null,
    node.state === 'suspended' ? needs.suspension(id) : null,
    needs.receipts(id, now),
  ])
  const traffic = { hour, day, month }
  const standings = market.map(({ standing }) => standing)
  const facts = { node, offers: standings, traffic, lastCallAt, frozen, probation, suspension, now }
  return {
    node: toNodeView(record, now),
    reasons: reasonsOf(facts),
    health: standings.filter(({ state }) => state !== 'paused').map((standing) => healthOf(standing, now)),
    traffic,
    lastCallAt: lastCallAt === null ? null : new Date(lastCallAt).toISOString(),
    prices: market.flatMap(({ standing, prices }) => (standing.state === 'paused' ? [] : [prices])),
    notices: noticesOf(facts),
    probation,
    suspension,
    receipts: { ...receipts, words: receiptWords(receipts) },
    at: new Date(now).toISOString(),
  }
}

/** Of an offer that always answers its guard has nothing to add. */
const hasFailed = ({ offer }: Offered): boolean => offer.breaker !== 'closed' || (offer.successPpm ?? MILLION) < MILLION
const MILLION = 1_000_000

async function probationOf({ served, parameters }: StatusNeeds, id: NodeId, now: Instant): Promise<ProbationView> {
  const { probationCalls, probationVestingBps } = (await parameters?.now(unawaited)) ?? PARAMETER_DEFAULTS
  const { shareBps, at } = vestsFrom(now, probationVestingBps)
  return {
    // A guard that does not answer keeps nobody from reading the rest.
    served: await served(id).catch(() => null),
    attempts: probationCalls,
    waitingShare: shareBps / 10_000,
    until: new Date(at).toISOString(),
  }
}

async function standingOf(
  { market, clock }: StatusNeeds,
  node: OfferedNode['node'],
  { offer, model }: Offered,
  refused: Readonly<Record<string, number>>,
  background: (work: Promise<unknown>) => void,
) {
  // Of what is offered no more nothing but its model's state is told.
  const isPaused = offer.state === 'paused'
  const snapshot = isPaused ? null : await market.snapshot(asModelId(offer.modelId), background)
  const live = snapshot?.offers ?? []
  const standing: OfferStanding = {
    offer: asTold(toOffer(offer, node, clock())),
    state: isPaused ? 'paused' : offer.state === 'live' ? 'live' : 'pending',
    reason: offer.reason,
    model: { ...model, task: Task.parse(model.task), state: ModelState.parse(model.state) },
    collectsData: offer.collectsData === null ? null : offer.collectsData === 1,
    ticketsRefused: refused[model.id] ?? 0,
    rivals: live.filter(({ nodeId }) => nodeId !== node.id).map(asTold),
  }
  const others = live.filter(({ operatorAccountId }) => operatorAccountId !== node.operatorAccountId)
  const prices = priceRange(
    offer.modelId,
    others.map(({ price }) => price),
  )
  return { standing, prices }
}

function healthOf({ offer, model }: OfferStanding, now: Instant): OfferHealthView {
  const { breaker, success, firstTokenMs, unitsPerSecond, inFlight, inFlightCap, busyShare, trust } = offer
  const known = { success, firstTokenMs, unitsPerSecond, inFlight, inFlightCap, busyShare, trust }
  return { model: model.id, breaker, ...known, windows: readWindows(offer.windows, now) }
}

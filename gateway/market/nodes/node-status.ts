// Why a node gets no traffic, or less than it could, and what its operator should know besides (rule). Every reason is a sentence that ends in what to do.
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import type { Task } from '../../../protocol/model.ts'
import type { NodeStatusView, ProbationView, SanctionView } from '../../../protocol/operator.ts'
import type { Instant } from '../../../protocol/units.ts'
import { WIRE_VERSION } from '../../../protocol/wire.ts'
import type { OfferState } from '../admission/admission.ts'
import { CHOOSE } from '../choose/policy.ts'
import type { Offer } from '../market-port.ts'
import { isServed, noticeOf, pauseReason, type Standing } from '../models/model-state.ts'
import { shareOf } from '../offers/price-standing.ts'
import type { NodeRow } from '../rows.ts'
import { evidenceWords, percent, withoutStop } from './status-words.ts'
import { unknownRegion, unservedWishes } from './unserved-wishes.ts'
import { whyLess } from './why-less.ts'

/** An offer, what is known of it, and who else serves its model. */
export interface OfferStanding {
  readonly offer: Offer
  readonly state: OfferState
  readonly reason: string | null
  readonly model: Standing & { readonly id: string; readonly task: Task }
  /** as the node said it; null: it said nothing */
  readonly collectsData: boolean | null
  /** calls and probes since it last answered that failed because the node refused their tickets */
  readonly ticketsRefused: number
  /** live offers of all other nodes, as calls find them */
  readonly rivals: readonly Offer[]
}

export interface StatusFacts {
  readonly node: Pick<NodeRow, 'state' | 'reason' | 'endpoint' | 'provedAt' | 'linkUpAt' | 'linkDownAt' | 'wireVersion'>
  readonly offers: readonly OfferStanding[]
  readonly traffic: NodeStatusView['traffic']
  readonly lastCallAt: Instant | null
  /** why its operator's account is frozen; null when it is not */
  readonly frozen: string | null
  /** null: it is in none */
  readonly probation: ProbationView | null
  /** null: it is not suspended, or nobody wrote down why */
  readonly suspension: SanctionView | null
  readonly now: Instant
}

/** Empty when nothing is wrong. */
export function reasonsOf(facts: StatusFacts): string[] {
  const { node, offers, now } = facts
  const stop = whyStopped(facts)
  if (stop !== null) return [stop]
  const isServing = node.state === 'probation' || node.state === 'active'
  const ofNode = whyNode(facts)
  const isReachable = ofNode === null
  const waiting = offers.flatMap((standing) => {
    const why = whyNotOffered(standing)
    return why === null ? [] : [`${standing.model.id}: ${why}`]
  })
  const serving = servedOf(offers)
  const weak = isServing && isReachable ? serving.flatMap((standing) => whyLess(standing, now)) : []
  const offersNothing = waiting.length === 0 && offers.every(({ state }) => state === 'paused')
  const reasons = [
    ...(ofNode === null ? [] : [ofNode]),
    ...(offersNothing ? ['It offers no model now: offer one (souk-node models add).'] : []),
    ...(node.provedAt === null && !isServing ? [] : waiting),
    ...weak,
  ]
  const idle = reasons.length === 0 && isServing ? whyIdle(serving, facts) : null
  const young = isReachable ? whyYoung(facts) : []
  return [...reasons, ...young, ...(idle === null ? [] : [idle])]
}

/** What is no reason but worth knowing. */
export function noticesOf({ node, offers, frozen }: StatusFacts): string[] {
  const { wireVersion } = node
  const isServing = node.state === 'probation' || node.state === 'active'
  const serving = isServing ? servedOf(offers) : []
  const region = unknownRegion(serving)
  return [
    ...offers.flatMap(({ model, state }) => {
      const notice = state === 'paused' && isServed(model) ? null : noticeOf(model)
      return notice === null ? [] : [notice]
    }),
    ...(wireVersion !== null && wireVersion < WIRE_VERSION
      ? [
          `It speaks version ${wireVersion} of the wire, which is spoken here until version ${wireVersion + 2} comes: update its program.`,
        ]
      : []),
    ...(frozen === null
      ? []
      : [
          `Its operator’s account is frozen (${withoutStop(frozen)}): the node goes on earning, and nothing can be withdrawn until the house lifts it.`,
        ]),
    ...serving.flatMap(unservedWishes),
    ...(region === null ? [] : [region]),
  ]
}

const servedOf = (offers: readonly OfferStanding[]) =>
  offers.filter(({ state, model }) => state === 'live' && isServed(model))

/** What ends all traffic, whatever else there is. */
function whyStopped({ node, suspension }: StatusFacts): string | null {
  if (node.state === 'revoked')
    return 'Its operator took its authorisation back: register it again with the wallet (souk-node register).'
  return node.state === 'suspended' ? whySuspended(node.reason, suspension) : null
}

function whySuspended(reason: string | null, suspension: SanctionView | null): string {
  const [since, by, found] = suspension
    ? [
        ` since ${suspension.at}`,
        suspension.by === 'audit' ? ' by audits' : ' by the house',
        evidenceWords(suspension.evidence),
      ]
    : ['', '', '']
  const why = reason === null ? '' : `: ${withoutStop(reason)}`
  return `It is suspended${since}${by}${why}${found === '' ? '' : ` (${found})`}. It is asked nothing, and its operator brings in no other node meanwhile. To do: mend what was found, then write to the house, which lets it in again, in probation.`
}

function whyYoung({ node, probation }: StatusFacts): string[] {
  if (node.state !== 'probation') return []
  const share = `It is in probation, so it gets ${percent(CHOOSE.probationWeight)} of its usual share`
  if (probation === null) return [`${share}: nothing to do, this ends when it has served its first calls well.`]
  const { served, attempts, waitingShare, until } = probation
  const done = served === null ? '' : `, and ${served} ${served === 1 ? 'is' : 'are'} done`
  return [
    `${share}, and ${Math.round(waitingShare * 100)} % of what it earns now can be spent from ${until.slice(0, 10)} on: nothing to do, this ends when it has served ${attempts} calls well${done}.`,
  ]
}

function whyNode({ node, offers }: StatusFacts): string | null {
  if (node.state === 'draining') {
    const left = offers.reduce((sum, { offer }) => sum + offer.inFlight, 0)
    const running = left === 0 ? '' : ` (${left} ${left === 1 ? 'is' : 'are'} still under way)`
    return `It is draining, so it gets no new calls${running}: bring it back when it shall serve again (souk-node drain --undo).`
  }
  if (node.endpoint === LINK_ENDPOINT && node.linkUpAt === null)
    return node.linkDownAt === null
      ? 'It has no link yet: start it (souk-node start).'
      : `Its link is gone since ${new Date(node.linkDownAt).toISOString()}: start it, or ask souk-node doctor why it does not come back.`
  if (node.state === 'pending' && node.provedAt === null) {
    const where = node.endpoint === LINK_ENDPOINT ? 'start it' : `see that ${node.endpoint} reaches it`
    return `${node.reason ?? 'Its endpoint is not proved.'} To do: ${where} (souk-node doctor says what is in the way); it is tried again every few minutes and on every start.`
  }
  // Pending for its offers: they say why themselves.
  return node.state === 'pending' ? null : node.reason
}

/** A paused offer is what its operator wanted, unless its model is what stopped it. */
function whyNotOffered({ state, reason, model }: OfferStanding): string | null {
  const unserved = pauseReason(model)
  if (unserved !== null) return `${unserved} Take it out of the offers (souk-node models remove).`
  if (state !== 'pending') return null
  return `${reason ?? 'it waits for its probe calls.'} To do: see what it answers (souk-node selftest); it is probed again every few minutes and on every start.`
}

/** Nothing is wrong and yet nobody comes: said with the share it would get, because only that can be changed. */
function whyIdle(serving: readonly OfferStanding[], { traffic, lastCallAt, now }: StatusFacts): string | null {
  if (traffic.hour.calls > 0 || serving.length === 0) return null
  const since =
    lastCallAt === null ? 'No call has come yet' : `No call has come since ${new Date(lastCallAt).toISOString()}`
  const shares = serving
    .slice(0, SHARES_SHOWN)
    .map(({ offer, model, rivals }) => `${percent(shareOf(offer, rivals, model.task, now))} of those for ${model.id}`)
  return `${since}, and nothing is wrong: callers did not ask, or others won the draw. It is drawn for ${shares.join(', ')}; lower prices raise that.`
}

/** models whose share is told */
const SHARES_SHOWN = 3

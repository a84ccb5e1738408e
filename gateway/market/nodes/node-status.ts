// Why a node gets no traffic, or less than it could, and what its operator should know besides (rule). Every reason is a sentence that ends in what to do.
import { LINK_ENDPOINT } from '../../../protocol/link.ts'
import type { Task } from '../../../protocol/model.ts'
import type { NodeStatusView } from '../../../protocol/operator.ts'
import type { Instant } from '../../../protocol/units.ts'
import { WIRE_VERSION } from '../../../protocol/wire.ts'
import type { OfferState } from '../admission/admission.ts'
import { CHOOSE } from '../choose/choose.ts'
import type { Offer } from '../market-port.ts'
import { isServed, noticeOf, pauseReason, type Standing } from '../models/model-state.ts'
import { shareOf, tooDear } from '../offers/price-standing.ts'
import type { NodeRow } from '../rows.ts'

/** An offer, what is known of it, and who else serves its model. */
export interface OfferStanding {
  readonly offer: Offer
  readonly state: OfferState
  readonly reason: string | null
  readonly model: Standing & { readonly id: string; readonly task: Task }
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
  readonly now: Instant
}

/** An offer that fails more often than this loses traffic that is worth a word: its weight is success to the power of four. */
const SUCCESS_FINE = 0.95

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
  const serving = offers.filter(({ state, model }) => state === 'live' && isServed(model))
  const weak = isServing && isReachable ? serving.flatMap((standing) => whyLess(standing, now)) : []
  const offersNothing = waiting.length === 0 && offers.every(({ state }) => state === 'paused')
  const reasons = [
    ...(ofNode === null ? [] : [ofNode]),
    ...(offersNothing ? ['It offers no model now: offer one (souk-node models add).'] : []),
    ...(node.provedAt === null && !isServing ? [] : waiting),
    ...weak,
  ]
  const idle = reasons.length === 0 && isServing ? whyIdle(serving, facts) : null
  const young =
    node.state === 'probation' && isReachable
      ? [
          `It is new, so it gets ${percent(CHOOSE.probationWeight)} of its usual share: nothing to do, this ends when it has served its first calls well.`,
        ]
      : []
  return [...reasons, ...young, ...(idle === null ? [] : [idle])]
}

/** What is no reason but worth knowing. */
export function noticesOf({ node, offers, frozen }: StatusFacts): string[] {
  const { wireVersion } = node
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
  ]
}

/** What ends all traffic, whatever else there is. */
function whyStopped({ node }: StatusFacts): string | null {
  if (node.state === 'revoked')
    return 'Its operator took its authorisation back: register it again with the wallet (souk-node register).'
  if (node.state === 'suspended')
    return `It is suspended${node.reason === null ? '' : `: ${withoutStop(node.reason)}`}. Only the house lifts that: write to it.`
  return null
}

function whyNode({ node }: StatusFacts): string | null {
  if (node.state === 'draining')
    return 'It is draining, so it gets no new calls: bring it back when it shall serve again (souk-node drain --undo).'
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

/** What takes calls from a live offer of a node that serves. */
function whyLess(standing: OfferStanding, now: Instant): string[] {
  const { offer, model } = standing
  const isOpen = offer.breaker === 'open' && (offer.breakerUntil ?? 0) > now
  const [failing, full] = [offer.breaker !== 'closed', offer.inFlight >= offer.concurrencyMax]
  const why = [
    isOpen
      ? `too many of its last calls failed, so it is left alone until ${new Date(offer.breakerUntil ?? now).toISOString()}. To do: look into its log, and try it (souk-node selftest).`
      : failing
        ? 'its last calls failed, so it gets one call at a time until one succeeds. To do: look into its log, and try it (souk-node selftest).'
        : null,
    !failing && offer.success !== null && offer.success < SUCCESS_FINE
      ? `${percent(1 - offer.success)} of its last calls failed, and callers are sent where fewer do. To do: look into its log.`
      : null,
    full
      ? `all of its places are taken (${offer.inFlight} of ${offer.concurrencyMax}). To do: offer more at the same time, if the machine carries it.`
      : null,
    whyTooDear(standing, now),
  ]
  return why.flatMap((sentence) => (sentence === null ? [] : [`${model.id}: ${sentence}`]))
}

function whyTooDear({ offer, model, rivals }: OfferStanding, now: Instant): string | null {
  const dear = tooDear(offer, rivals, model.task, now)
  return (
    dear &&
    `a call of ${dear.words} costs $${dear.here} here and $${dear.cheapest} at the cheapest, and above ${dear.capTimes} times the cheapest nobody is sent. To do: lower its prices (souk-node price shows what others ask).`
  )
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

/** @example percent(0.373) // 'about 37 %' */
const percent = (share: number): string =>
  share > 0 && share < 0.01 ? 'less than 1 %' : `about ${Math.round(share * 100)} %`
const withoutStop = (sentence: string): string => sentence.replace(/[.!?]$/, '')

// What takes calls from a live offer of a node that serves (rule): each reason one sentence, which ends in what to do. Where several nodes offer a model, most
// of it is a comparison: nobody is slow or dear alone.
import type { Instant } from '../../../protocol/units.ts'
import { tooDear } from '../offers/price-standing.ts'
import type { OfferStanding } from './node-status.ts'
import { percent } from './status-words.ts'

/** Below these an offer loses traffic that is worth a word. */
const FINE = {
  /** its weight is success to the power of four */
  success: 0.95,
  trust: 0.95,
  /** share of attempts that were refused as busy */
  busy: 0.05,
  /** times slower than the middle of the others */
  slowTimes: 2,
} as const

export function whyLess(standing: OfferStanding, now: Instant): string[] {
  const why = [
    whyFailing(standing, now),
    whyBusy(standing),
    whyLate(standing),
    whySlow(standing),
    whyDistrusted(standing),
    whyTooDear(standing, now),
  ]
  return why.flatMap((sentence) => (sentence === null ? [] : [`${standing.model.id}: ${sentence}`]))
}

function whyFailing({ offer, ticketsRefused }: OfferStanding, now: Instant): string | null {
  const { breaker, breakerUntil, success } = offer
  // A node logs no order that it refused: nothing would be found there.
  const isRefusing = ticketsRefused > 0
  const look = isRefusing ? refusing(ticketsRefused) : 'To do: look into its log, and try it (souk-node selftest).'
  if (breaker === 'open' && (breakerUntil ?? 0) > now)
    return `too many of its last calls failed, so it is left alone until ${new Date(breakerUntil ?? now).toISOString()}. ${look}`
  if (breaker !== 'closed') return `its last calls failed, so it gets one call at a time until one succeeds. ${look}`
  if (success === null || success >= FINE.success) return null
  return `${percent(1 - success)} of its last calls failed, and callers are sent where fewer do. ${isRefusing ? look : 'To do: look into its log.'}`
}

const refusing = (tickets: number): string =>
  `It refused the gateway’s ticket ${tickets === 1 ? 'once' : `${tickets} times`} since it last answered. To do: set its clock right, and see that it takes its orders from this gateway (souk-node doctor).`

function whyBusy({ offer }: OfferStanding): string | null {
  const { busyShare, inFlight, inFlightCap, concurrencyMax } = offer
  const isCapped = inFlightCap < concurrencyMax
  const isRefusing = busyShare !== null && busyShare > FINE.busy
  const capped = `it is sent at most ${inFlightCap} at the same time and not the ${concurrencyMax} it offers`
  if (isRefusing)
    return `it refused ${percent(busyShare)} of its last calls as busy${isCapped ? `, so ${capped}` : ''}. To do: offer what the machine carries (concurrencyMax; souk-node bench says how many), or let more wait (queueMax).`
  if (isCapped)
    return `its answers come late when it has much to do, so ${capped}. To do: offer what the machine carries (concurrencyMax; souk-node bench says how many); what was found is forgotten within twenty minutes.`
  if (inFlight >= concurrencyMax)
    return `all of its places are taken (${inFlight} of ${concurrencyMax}). To do: offer more at the same time, if the machine carries it.`
  return null
}

function whyLate({ offer, rivals }: OfferStanding): string | null {
  const others = middle(rivals.map(({ firstTokenMs }) => firstTokenMs))
  const { firstTokenMs } = offer
  if (firstTokenMs === null || others === null || firstTokenMs <= others * FINE.slowTimes) return null
  return `its answers begin after ${ms(firstTokenMs)}, and those of half the others within ${ms(others)}. To do: fewer at the same time, or a faster provider (souk-node bench measures).`
}

function whySlow({ offer, rivals }: OfferStanding): string | null {
  const others = middle(rivals.map(({ unitsPerSecond }) => unitsPerSecond))
  const { unitsPerSecond } = offer
  if (unitsPerSecond === null || others === null || unitsPerSecond * FINE.slowTimes >= others) return null
  return `it gives ${speed(unitsPerSecond)} units a second, and half of the others ${speed(others)} or more. To do: fewer at the same time, or a faster provider (souk-node bench measures).`
}

function whyDistrusted({ offer }: OfferStanding): string | null {
  if (offer.trust >= FINE.trust) return null
  return `audits trust its answers to ${percent(offer.trust)}, and it is drawn so much less. To do: read what they found (GET /api/nodes/${offer.nodeId}/audits), and see that it serves the model’s own files (souk-node doctor).`
}

function whyTooDear({ offer, model, rivals }: OfferStanding, now: Instant): string | null {
  const dear = tooDear(offer, rivals, model.task, now)
  return (
    dear &&
    `a call of ${dear.words} costs $${dear.here} here and $${dear.cheapest} at the cheapest, and above ${dear.capTimes} times the cheapest nobody is sent. To do: lower its prices (souk-node price shows what others ask).`
  )
}

/** The upper of the two in the middle; null where nothing is known of anybody. */
function middle(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b)
  return known[Math.floor(known.length / 2)] ?? null
}

const ms = (value: number): string => `${Math.round(value)} ms`
const speed = (value: number): string => value.toFixed(value < 10 ? 1 : 0)

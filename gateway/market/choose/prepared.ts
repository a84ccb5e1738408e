// Offers as the choice reads them: sorted by node id, their numbers side by side. A snapshot is chosen from thousands of times, so all that does not
// depend on the call is worked out once and remembered with the array of its offers, which therefore must never change. Prices are exact: each is
// below 2^53. The working memory is written anew by every choice, which runs from beginning to end without a pause.
import { Continent, PARAMETERS, type Parameter } from '../../../protocol/routing.ts'
import type { NodeId } from '../../../protocol/units.ts'
import type { Offer } from '../market-port.ts'
import { CHOOSE } from './policy.ts'

/** All arrays have one entry for each offer, at its place. */
export interface Prepared {
  /** by node id: the order of a database's rows must not decide what a seed draws */
  readonly offers: readonly Offer[]
  readonly placeOf: ReadonlyMap<NodeId, number>
  /** nanos per million, and per call */
  readonly inputPrice: Float64Array
  readonly outputPrice: Float64Array
  readonly bytesPrice: Float64Array
  readonly callPrice: Float64Array
  readonly contextTokens: Float64Array
  readonly outputTokensMax: Float64Array
  /** 1: all places are taken */
  readonly isFull: Uint8Array
  /** 1: its breaker is not closed */
  readonly isTripped: Uint8Array
  /** ms: its breaker keeps it away until then; Infinity also while its trial is under way */
  readonly brokenUntil: Float64Array
  /** NaN: not known */
  readonly firstTokenMs: Float64Array
  /** 0: not known */
  readonly msPerUnit: Float64Array
  /** what its weight is multiplied by, whatever the call */
  readonly standing: Float64Array
  readonly trust: Float64Array
  /** 1: it loads the model's own files */
  readonly isPinned: Uint8Array
  /** 1: it keeps prompts or answers, or does not say that it keeps none */
  readonly collectsData: Uint8Array
  /** place in Continent.options; 255: not known */
  readonly region: Uint8Array
  /** bits of {@link bitsOf} */
  readonly parameters: Uint32Array
  /** 1: it says which parameters it honours */
  readonly saysParameters: Uint8Array
  readonly work: Work
}

export interface Work {
  /** 0: may be asked; else why not (filters.ts) */
  readonly lost: Uint8Array
  readonly isBroken: Uint8Array
  /** millionths of nanos of the estimate */
  readonly cost: Float64Array
  readonly weight: Float64Array
  /** place in the caller's order; {@link UNNAMED} */
  readonly named: Uint8Array
  /** places of those that may be asked, the first so many: the running */
  readonly running: Uint32Array
  /** of the running by their position: the weights of a group up to here (turns.ts) */
  readonly upTo: Float64Array
  /** of the running by their position: how many exploration reaches up to here */
  readonly explorableUpTo: Uint32Array
  /** of the running by their position: what they are sorted by, lowest first */
  readonly value: Float64Array
}

export const UNNAMED = 255
const NOWHERE = 255

const remembered = new WeakMap<readonly Offer[], Prepared>()

export function prepared(offers: readonly Offer[]): Prepared {
  const known = remembered.get(offers)
  if (known) return known
  const made = prepare([...offers].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)))
  remembered.set(offers, made)
  return made
}

function prepare(offers: readonly Offer[]): Prepared {
  const size = offers.length
  const fill = <Values extends { [place: number]: number }>(values: Values, of: (offer: Offer) => number): Values => {
    for (let place = 0; place < size; place++) values[place] = of(offers[place] as Offer) // place is below size
    return values
  }
  const numbers = (of: (offer: Offer) => number) => fill(new Float64Array(size), of)
  const flags = (of: (offer: Offer) => boolean) => fill(new Uint8Array(size), (offer) => (of(offer) ? 1 : 0))
  return {
    offers,
    placeOf: new Map(offers.map(({ nodeId }, place) => [nodeId, place])),
    inputPrice: numbers(({ price }) => Number(price.inputPerMillion)),
    outputPrice: numbers(({ price }) => Number(price.outputPerMillion)),
    bytesPrice: numbers(({ price }) => Number(price.bytesPerMillion)),
    callPrice: numbers(({ price }) => Number(price.perCall)),
    contextTokens: numbers(({ contextTokens }) => contextTokens),
    outputTokensMax: numbers(({ outputTokensMax }) => outputTokensMax),
    isFull: flags(({ inFlight, inFlightCap }) => inFlight >= inFlightCap),
    isTripped: flags(({ breaker }) => breaker !== 'closed'),
    brokenUntil: numbers(brokenUntil),
    firstTokenMs: numbers(({ firstTokenMs }) => firstTokenMs ?? Number.NaN),
    msPerUnit: numbers(({ unitsPerSecond }) => (unitsPerSecond ? 1_000 / unitsPerSecond : 0)),
    standing: numbers(standingOf),
    trust: numbers(({ trust }) => trust),
    isPinned: flags(({ assurance }) => assurance === 'pinned'),
    collectsData: flags(({ collectsData }) => collectsData),
    region: fill(new Uint8Array(size), ({ region }) => regionCode(region)),
    parameters: fill(new Uint32Array(size), ({ parameters }) => (parameters === null ? 0 : bitsOf(parameters))),
    saysParameters: flags(({ parameters }) => parameters !== null),
    work: workFor(size),
  }
}

const workFor = (size: number): Work => ({
  lost: new Uint8Array(size),
  isBroken: new Uint8Array(size),
  cost: new Float64Array(size),
  weight: new Float64Array(size),
  named: new Uint8Array(size),
  running: new Uint32Array(size),
  upTo: new Float64Array(size),
  explorableUpTo: new Uint32Array(size),
  value: new Float64Array(size),
})

/** Half open: one call at a time. Open: not before its time, and then the same. */
function brokenUntil({ breaker, breakerUntil, inFlight }: Offer): number {
  if (breaker === 'closed') return -Infinity
  if (inFlight > 0) return Infinity
  return breaker === 'half_open' ? -Infinity : (breakerUntil ?? Infinity)
}

function standingOf({ breaker, success, busyShare, nodeState, probationShare, trust }: Offer): number {
  const past = breaker === 'closed' ? (success ?? CHOOSE.unknownSuccess) : CHOOSE.trialSuccess
  const free = 1 - (1 - CHOOSE.busyFloor) * (busyShare ?? 0)
  const probation = nodeState === 'probation' ? (probationShare ?? CHOOSE.probationWeight) : 1
  return past ** CHOOSE.successPower * free * probation * trust
}

/** @example regionCode('EU') // 3 */
export const regionCode = (region: Continent | null): number =>
  region === null ? NOWHERE : Continent.options.indexOf(region)

/** One bit for each parameter. @example bitsOf(new Set(['temperature', 'top_k'])) // 5 */
export const bitsOf = (parameters: ReadonlySet<Parameter>): number =>
  PARAMETERS.reduce((bits, name, bit) => (parameters.has(name) ? bits | (1 << bit) : bits), 0)

// Who may not be asked, and why (rule): first what the caller wishes, then what the call needs, then who has no place free, then breakers. A wish
// that was not made costs nothing: its test does not exist. Prices that are too high for the market are judged afterwards (weights.ts).
import type { NodeId } from '../../../protocol/units.ts'
import type { LocalJudgement } from '../market-port.ts'
import { CHOOSE } from './policy.ts'
import { bitsOf, regionCode, UNNAMED, type Prepared } from './prepared.ts'
import type { RankInput } from './rank-input.ts'
import type { Wishes } from './wishes.ts'

/** Why an offer may not be asked; wishes by their names on the wire. */
export const LOST = [
  'excluded',
  'only',
  'ignore',
  'allow_fallbacks',
  'max_price',
  'max_latency',
  'min_throughput',
  'parameters',
  'require_parameters',
  'require_pinned',
  'data_collection',
  'regions',
  'context',
  'output',
  'busy',
  'breaker_open',
  'price',
] as const
export type Lost = (typeof LOST)[number]

/** As it stands in `work.lost`. */
export const codeOf = (lost: Lost): number => LOST.indexOf(lost) + 1
export const lostOf = (code: number): Lost | null => LOST[code - 1] ?? null

const CODES = {
  context: codeOf('context'),
  output: codeOf('output'),
  busy: codeOf('busy'),
  excluded: codeOf('excluded'),
  broken: codeOf('breaker_open'),
}

/** Writes into `work` who may not be asked. @returns whether breakers are ignored, because more than half of those that fit are broken */
export function sift(prepared: Prepared, input: RankInput): { readonly panic: boolean } {
  siftByNeeds(prepared, input)
  for (const [nodeId, judgement] of input.local ?? []) overlay(prepared, input.now, nodeId, judgement)
  if (input.wishes) siftByWishes(prepared, input.wishes)
  siftByPermission(prepared, input)
  return siftByBreakers(prepared)
}

function siftByNeeds(prepared: Prepared, input: RankInput): void {
  const { contextTokens, outputTokensMax, isFull, brokenUntil, work } = prepared
  const { lost, isBroken } = work
  const { now, needsTokens = 0, needsOutputTokens = 0 } = input
  for (let i = 0; i < lost.length; i++) {
    isBroken[i] = (brokenUntil[i] ?? 0) > now ? 1 : 0
    if ((contextTokens[i] ?? 0) < needsTokens) lost[i] = CODES.context
    else if ((outputTokensMax[i] ?? 0) < needsOutputTokens) lost[i] = CODES.output
    else lost[i] = isFull[i] ? CODES.busy : 0
  }
}

/** What this isolate has seen itself makes an offer worse, never better. */
function overlay({ offers, placeOf, work }: Prepared, now: number, nodeId: NodeId, judgement: LocalJudgement): void {
  const place = placeOf.get(nodeId)
  const offer = place === undefined ? undefined : offers[place]
  if (place === undefined || !offer) return
  const { inFlight, brokenUntil, busyUntil } = judgement
  const isBusy = inFlight >= offer.inFlightCap || (busyUntil ?? now) > now
  if (isBusy && work.lost[place] === 0) work.lost[place] = CODES.busy
  const isTrialUnderWay = offer.breaker !== 'closed' && inFlight > 0
  if (isTrialUnderWay || (brokenUntil ?? now) > now) work.isBroken[place] = 1
}

function siftByPermission({ offers, placeOf, work: { lost } }: Prepared, { excluded, permitted }: RankInput): void {
  for (const nodeId of excluded ?? []) {
    const place = placeOf.get(nodeId)
    if (place !== undefined) lost[place] = CODES.excluded
  }
  if (!permitted) return
  for (const [place, { nodeId }] of offers.entries()) if (!permitted.has(nodeId)) lost[place] = CODES.excluded
}

function siftByBreakers({ work: { lost, isBroken } }: Prepared): { panic: boolean } {
  let [fitting, broken] = [0, 0]
  for (let i = 0; i < lost.length; i++) {
    const fits = Number(lost[i] === 0)
    fitting += fits
    broken += fits & (isBroken[i] ?? 0)
  }
  // The last one is asked in any case: it is all of them.
  const panic = broken > fitting * CHOOSE.panicShare
  if (panic || broken === 0) return { panic }
  for (let i = 0; i < lost.length; i++) if (lost[i] === 0 && isBroken[i]) lost[i] = CODES.broken
  return { panic }
}

interface WishTest {
  readonly code: number
  readonly leavesOut: (place: number) => boolean
}

function siftByWishes(prepared: Prepared, wishes: Wishes): void {
  const { lost } = prepared.work
  if (wishes.order.length > 0) name(prepared, wishes.order)
  const tests = [...whoTests(prepared, wishes), ...howTests(prepared, wishes), ...parameterTests(prepared, wishes)]
  // The first wish that leaves an offer out is the one it is told by: written last.
  for (const { code, leavesOut } of tests.reverse())
    for (let i = 0; i < lost.length; i++) if (leavesOut(i)) lost[i] = code
}

/** Each offer's place in the caller's order: its node's, or its operator's if that comes first. */
function name({ offers, work: { named } }: Prepared, order: readonly string[]): void {
  const places = new Map<string, number>()
  for (const [place, id] of order.entries()) if (!places.has(id)) places.set(id, place)
  const placeOf = (id: string) => places.get(id) ?? UNNAMED
  for (const [i, offer] of offers.entries())
    named[i] = Math.min(placeOf(offer.nodeId), placeOf(offer.operatorAccountId), UNNAMED)
}

function whoTests({ offers, work, region }: Prepared, wishes: Wishes): WishTest[] {
  const { only, ignore, order, mayFallBack, regions } = wishes
  const isIn = (ids: ReadonlySet<string>, place: number): boolean => {
    const offer = offers[place]
    return offer !== undefined && (ids.has(offer.nodeId) || ids.has(offer.operatorAccountId))
  }
  const tests: WishTest[] = []
  const test = (lost: Lost, leavesOut: WishTest['leavesOut']) => tests.push({ code: codeOf(lost), leavesOut })
  if (only) test('only', (i) => !isIn(only, i))
  if (ignore.size > 0) test('ignore', (i) => isIn(ignore, i))
  if (order.length > 0 && !mayFallBack) test('allow_fallbacks', (i) => work.named[i] === UNNAMED)
  if (regions) {
    const codes = new Set([...regions].map(regionCode))
    test('regions', (i) => !codes.has(region[i] ?? 0))
  }
  return tests
}

/** Unknown latency and speed are left out: what is not known cannot be promised. */
function howTests(prepared: Prepared, wishes: Wishes): WishTest[] {
  const { isPinned, collectsData, inputPrice, outputPrice, bytesPrice, callPrice, firstTokenMs, msPerUnit } = prepared
  const { maxPrice, maxLatencyMs, minUnitsPerSecond, mustBePinned, refusesCollection } = wishes
  const tests: WishTest[] = []
  const test = (lost: Lost, leavesOut: WishTest['leavesOut']) => tests.push({ code: codeOf(lost), leavesOut })
  const cap = (prices: Float64Array, most: bigint | null | undefined) => {
    const limit = Number(most ?? Infinity)
    if (limit !== Infinity) test('max_price', (i) => (prices[i] ?? 0) > limit)
  }
  cap(inputPrice, maxPrice?.inputPerMillion)
  cap(outputPrice, maxPrice?.outputPerMillion)
  cap(bytesPrice, maxPrice?.bytesPerMillion)
  cap(callPrice, maxPrice?.perCall)
  if (maxLatencyMs !== null) test('max_latency', (i) => !((firstTokenMs[i] ?? Number.NaN) <= maxLatencyMs))
  if (minUnitsPerSecond !== null) {
    const most = 1_000 / minUnitsPerSecond
    test('min_throughput', (i) => !(msPerUnit[i] ?? 0) || (msPerUnit[i] ?? 0) > most)
  }
  if (mustBePinned) test('require_pinned', (i) => isPinned[i] === 0)
  if (refusesCollection) test('data_collection', (i) => collectsData[i] === 1)
  return tests
}

function parameterTests({ parameters, saysParameters }: Prepared, wishes: Wishes): WishTest[] {
  const wanted = bitsOf(wishes.parameters)
  if (wanted === 0) return []
  const known: WishTest = {
    code: codeOf('parameters'),
    leavesOut: (i) => saysParameters[i] === 1 && (wanted & ~(parameters[i] ?? 0)) !== 0,
  }
  const unknown: WishTest = { code: codeOf('require_parameters'), leavesOut: (i) => saysParameters[i] === 0 }
  return wishes.mustSayParameters ? [known, unknown] : [known]
}

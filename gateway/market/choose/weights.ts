// What the offers that may be asked weigh against each other (rule): 1/price² × speed × success^k × trust, as the caller's call would find them.
// Amounts are floats here, in millionths of a nano as prices make them, exact up to nine dollars a call and to sixteen digits above; they are never
// money: what is charged is computed from the offer's own prices.
// An offer that costs nothing counts as the cheapest that costs something, so that a price of nothing wins nothing and keeps nobody away.
import type { Units } from '../../../protocol/price.ts'
import { codeOf, sift } from './filters.ts'
import { CHOOSE } from './policy.ts'
import { prepared as prepare, regionCode, type Prepared } from './prepared.ts'
import type { Offer } from '../market-port.ts'
import type { RankInput } from './rank-input.ts'
import type { Wishes } from './wishes.ts'

/** Offers judged for one call. What it says stands in `prepared.work`, and holds until the next call is judged. */
export interface Judged {
  readonly prepared: Prepared
  /** breakers were ignored */
  readonly panic: boolean
  /** how many may be asked: the first so many of `work.running`, by node id */
  readonly running: number
  /** millionths of nanos: the lowest price that is one. Lower ones count as this */
  readonly cheapest: number
}

export function judge(offers: readonly Offer[], input: RankInput): Judged {
  const prepared = prepare(offers)
  const { panic } = sift(prepared, input)
  const cheapest = price(prepared, input.estimate)
  const running = siftByPrice(prepared, input, cheapest)
  const judged = { prepared, panic, running, cheapest }
  weigh(judged, input)
  return judged
}

/** Whether a call may be sent there to find out how it does now, whatever it weighs. */
export function isExplorable({ prepared, cheapest }: Judged, place: number): boolean {
  const isNear = (prepared.work.cost[place] ?? 0) <= cheapest * CHOOSE.exploreCap
  return isNear && (prepared.trust[place] ?? 0) >= CHOOSE.exploreTrustMin
}

/** of a nano */
export const MILLIONTHS = 1e6

/** Writes what the estimate costs at each offer. @returns the lowest price that is one, of those that may be asked; the floor where none is */
function price(prepared: Prepared, estimate: Units): number {
  const { inputPrice, outputPrice, bytesPrice, callPrice, work } = prepared
  const { cost, lost } = work
  const [input, output] = [Number(estimate.inputTokens), Number(estimate.outputTokens)]
  const bytes = Number(estimate.tensorBytes ?? 0n)
  const atFloor = (input + output) * CHOOSE.floorPerMillion + bytes * CHOOSE.bytesFloorPerMillion
  const floor = Math.max(atFloor, MILLIONTHS)
  let lowest = Infinity
  for (let i = 0; i < cost.length; i++) {
    const millionths = input * (inputPrice[i] ?? 0) + output * (outputPrice[i] ?? 0) + bytes * (bytesPrice[i] ?? 0)
    const whole = millionths + MILLIONTHS * (callPrice[i] ?? 0)
    cost[i] = whole
    if (whole >= floor && whole < lowest && lost[i] === 0) lowest = whole
  }
  return lowest === Infinity ? floor : lowest
}

/** Leaves out who is too dear, and lists who is left. @returns how many */
function siftByPrice(prepared: Prepared, { wishes, estimate }: RankInput, cheapest: number): number {
  const { lost, cost, running } = prepared.work
  const ceiling = cheapest * CHOOSE.priceCap
  const lifted = wishes?.maxPrice ? beyondMaximum(prepared, wishes.maxPrice, estimate) : null
  const tooDear = codeOf('price')
  let count = 0
  for (let i = 0; i < lost.length; i++) {
    if ((cost[i] ?? 0) > ceiling && (!lifted || lifted(i) > ceiling)) lost[i] ||= tooDear
    // Written in any case and kept where it counts: a branch that nobody can foresee costs more than a write.
    running[count] = i
    count += Number(lost[i] === 0)
  }
  return count
}

/** What the estimate costs at an offer in the kinds of price the caller named no maximum for: the market's ceiling holds for those. */
function beyondMaximum(prepared: Prepared, maxPrice: NonNullable<Wishes['maxPrice']>, estimate: Units) {
  const { inputPrice, outputPrice, bytesPrice, callPrice } = prepared
  const open = (units: bigint, most: bigint | null) => (most === null ? Number(units) : 0)
  const input = open(estimate.inputTokens, maxPrice.inputPerMillion)
  const output = open(estimate.outputTokens, maxPrice.outputPerMillion)
  const bytes = open(estimate.tensorBytes ?? 0n, maxPrice.bytesPerMillion)
  const calls = open(1n, maxPrice.perCall)
  return (i: number): number => {
    const millionths = input * (inputPrice[i] ?? 0) + output * (outputPrice[i] ?? 0) + bytes * (bytesPrice[i] ?? 0)
    return millionths + calls * MILLIONTHS * (callPrice[i] ?? 0)
  }
}

function weigh(judged: Judged, { estimate, wishes }: RankInput): void {
  const { prepared, running, cheapest } = judged
  const { firstTokenMs, msPerUnit, standing, region, work } = prepared
  const output = Number(estimate.outputTokens)
  const here = wishes?.callerRegion ? regionCode(wishes.callerRegion) : null
  const msAt = (i: number) => (firstTokenMs[i] ?? Number.NaN) + output * (msPerUnit[i] ?? 0)
  let fastest = Infinity
  for (let k = 0; k < running; k++) {
    const ms = msAt(work.running[k] ?? 0)
    if (ms < fastest) fastest = ms
  }
  for (let k = 0; k < running; k++) {
    const i = work.running[k] ?? 0
    // Relative to the cheapest, which leaves every share as it is and keeps the numbers readable.
    const relative = cheapest / Math.max(cheapest, work.cost[i] ?? 0)
    const broken = work.isBroken[i] ? CHOOSE.brokenWeight : 1
    const near = here === null || region[i] === here ? 1 : CHOOSE.farWeight
    const weight = relative * relative * speedOf(msAt(i), fastest) * (standing[i] ?? 0) * broken * near
    work.weight[i] = Math.max(weight, CHOOSE.leastWeight)
  }
}

function speedOf(ms: number, fastest: number): number {
  if (Number.isNaN(ms)) return CHOOSE.unknownSpeed
  return ms <= fastest ? 1 : Math.max(CHOOSE.speedFloor, fastest / ms)
}

// In which order offers are asked (rule): those the caller names first, by its order; the others, and those of one name, by weighted draws without
// replacement, or sorted where the caller asks for that. Once in a hundred draws the first one is drawn evenly among those near the cheapest, so
// that whoever became good again is found. Those of one group stand in a line by node id, each as wide as its weight: a replay measures the same line.
import { LIMITS } from '../../core/limits.ts'
import { drawOne, seededRandom } from './draw.ts'
import { CHOOSE } from './policy.ts'
import { UNNAMED } from './prepared.ts'
import type { RankInput } from './rank-input.ts'
import { isExplorable, type Judged } from './weights.ts'
import { NO_WISHES, type Wishes } from './wishes.ts'

/** How the first one was found. */
export type By = 'draw' | 'exploration' | 'order' | 'sort'

export interface Turns {
  /** positions among the running, in the order they are to be asked */
  readonly positions: readonly number[]
  /** null: there is nobody to ask */
  readonly by: By | null
  /** the first one was found among those named here in the caller's order; UNNAMED: among those it does not name */
  readonly group: number
  /** offers of the group that exploration reaches; 0 where nothing is left to chance */
  readonly explorable: number
}

export function turnsOf(judged: Judged, { seed, wishes = NO_WISHES, depth = LIMITS.attemptsMax }: RankInput): Turns {
  const isNaming = wishes.order.length > 0
  const group = isNaming ? nextGroup(judged, []) : UNNAMED
  lineUp(judged, group, isNaming)
  const explorable = group === UNNAMED && !wishes.sort ? countExplorable(judged) : 0
  const random = seededRandom(seed)
  const isExploring = random() < CHOOSE.exploreShare && explorable > 0
  const even = Math.floor(random() * explorable)
  const positions = isExploring ? [explorableAt(judged, even)] : []
  if (wishes.sort) valueAll(judged, wishes.sort)
  let current = group
  while (positions.length < Math.min(depthOf(wishes, depth), judged.running)) {
    const next = isNaming ? nextGroup(judged, positions) : UNNAMED
    if (next !== current) lineUp(judged, next, isNaming)
    current = next
    const canBe = (position: number) => isOfGroup(judged, position, current, isNaming)
    const line = { upTo: judged.prepared.work.upTo, count: judged.running, taken: positions, canBe }
    positions.push(wishes.sort ? best(judged, positions, canBe) : drawOne(line, random()))
  }
  return { positions, by: positions.length > 0 ? byOf(group, wishes, isExploring) : null, group, explorable }
}

/** Who wants one node only, and names none, is given one. */
const depthOf = ({ mayFallBack, order }: Wishes, depth: number): number =>
  mayFallBack || order.length > 0 ? depth : Math.min(1, depth)

function byOf(group: number, { sort }: Wishes, isExploring: boolean): By {
  if (group !== UNNAMED) return 'order'
  if (sort) return 'sort'
  return isExploring ? 'exploration' : 'draw'
}

/** The best place in the caller's order that one of those not yet taken has. */
function nextGroup({ prepared: { work }, running }: Judged, taken: readonly number[]): number {
  let first = UNNAMED
  for (let k = 0; k < running; k++) {
    const named = work.named[work.running[k] ?? 0] ?? UNNAMED
    if (named < first && !taken.includes(k)) first = named
  }
  return first
}

export const isOfGroup = (
  { prepared: { work } }: Judged,
  position: number,
  group: number,
  isNaming: boolean,
): boolean => !isNaming || work.named[work.running[position] ?? 0] === group

/** Writes the line of a group: who is not of it has no width. @returns all weights of it together */
export function lineUp(judged: Judged, group: number, isNaming: boolean): number {
  const { running, weight, upTo } = judged.prepared.work
  let sum = 0
  for (let k = 0; k < judged.running; k++) {
    if (isOfGroup(judged, k, group, isNaming)) sum += weight[running[k] ?? 0] ?? 0
    upTo[k] = sum
  }
  return sum
}

export interface Sorted {
  /** lowest first; null: after all others */
  readonly value: number | null
  /** of two with one value the heavier comes first */
  readonly weight: number
}

export function comesBefore(a: Sorted, b: Sorted): boolean {
  if (a.value === b.value) return a.weight > b.weight
  return b.value === null || (a.value !== null && a.value < b.value)
}

function best(judged: Judged, taken: readonly number[], canBe: (position: number) => boolean): number {
  const { work } = judged.prepared
  const sorted = (position: number): Sorted => ({
    value: sortedBy(judged, position),
    weight: work.weight[work.running[position] ?? 0] ?? 0,
  })
  let first = -1
  let found: Sorted = { value: null, weight: -1 }
  for (let k = 0; k < judged.running; k++) {
    const isBeyond = (work.value[k] ?? Infinity) > (found.value ?? Infinity)
    if (isBeyond || !canBe(k) || taken.includes(k)) continue
    const candidate = sorted(k)
    if (comesBefore(candidate, found)) [first, found] = [k, candidate]
  }
  return first
}

/** Nanos, or ms. Null: not known, or not to be relied on now, so that it comes after all others. */
export function sortedBy({ prepared: { work } }: Judged, position: number): number | null {
  const value = work.value[position] ?? Infinity
  return value === Infinity ? null : value
}

function valueAll({ prepared, running }: Judged, sort: NonNullable<Wishes['sort']>): void {
  const { isTripped, trust, work } = prepared
  const values = { price: work.cost, latency: prepared.firstTokenMs, throughput: prepared.msPerUnit }[sort]
  for (let k = 0; k < running; k++) {
    const place = work.running[k] ?? 0
    const value = values[place] ?? Infinity
    const isKnown = sort === 'price' || (sort === 'latency' ? !Number.isNaN(value) : value > 0)
    const isReliable = !isTripped[place] && !work.isBroken[place] && (trust[place] ?? 0) >= CHOOSE.exploreTrustMin
    work.value[k] = isKnown && isReliable ? value : Infinity
  }
}

function countExplorable(judged: Judged): number {
  let count = 0
  for (let k = 0; k < judged.running; k++) if (isExplorable(judged, judged.prepared.work.running[k] ?? 0)) count++
  return count
}

/** The position of the so manieth of them, from 0. */
function explorableAt(judged: Judged, index: number): number {
  const { running } = judged.prepared.work
  let left = index
  for (let k = 0; k < judged.running; k++) if (isExplorable(judged, running[k] ?? 0) && left-- === 0) return k
  return 0
}

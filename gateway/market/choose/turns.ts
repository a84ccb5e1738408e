// In which order offers are asked (rule): those the caller names first, by its order; the others, and those of one name, by weighted draws without
// replacement, or sorted where the caller asks for that. Once in a hundred draws the first one is drawn evenly among those near the cheapest, so
// that whoever became good again is found. Those of one group stand in a line by node id, each as wide as its weight: a replay measures the same line.
import { seededRandom } from '../../../protocol/replay.ts'
import { LIMITS } from '../../core/limits.ts'
import { bestOf } from './best.ts'
import { drawOne } from './draw.ts'
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

export function turnsOf(judged: Judged, input: RankInput): Turns {
  const { seed, wishes = NO_WISHES, depth = LIMITS.attemptsMax } = input
  const length = Math.min(depthOf(wishes, depth), judged.running)
  const groups = groupSizes(judged, wishes)
  const group = firstOf(groups)
  lineUp(judged, group, wishes)
  if (wishes.sort) {
    const positions = sorted(judged, wishes, wishes.sort, length)
    return { positions, by: length === 0 ? null : group === UNNAMED ? 'sort' : 'order', group, explorable: 0 }
  }
  const explorable = group === UNNAMED ? countExplorable(judged) : 0
  const random = seededRandom(seed)
  const isExploring = random() < CHOOSE.exploreShare && explorable > 0
  const even = Math.floor(random() * explorable)
  const explored = isExploring && length > 0 ? explorableAt(judged, even) : null
  const positions = drawn(judged, wishes, { length, groups, random, explored })
  const drawnBy = isExploring ? 'exploration' : 'draw'
  return { positions, by: length === 0 ? null : group === UNNAMED ? drawnBy : 'order', group, explorable }
}

/** Who wants one node only, and names none, is given one. */
const depthOf = ({ mayFallBack, order }: Wishes, depth: number): number =>
  mayFallBack || order.length > 0 ? depth : Math.min(1, depth)

interface Drawing {
  readonly length: number
  /** how many of each group are left: counted down */
  readonly groups: Uint32Array
  readonly random: () => number
  /** the first one, when exploration has chosen it */
  readonly explored: number | null
}

/** Group after group: the line of the first one stands already. */
function drawn(judged: Judged, wishes: Wishes, { length, groups, random, explored }: Drawing): number[] {
  const { upTo, named, running } = judged.prepared.work
  const positions: number[] = []
  const taken: number[] = []
  const take = (position: number) => {
    positions.push(position)
    taken.splice(taken.findLastIndex((other) => other < position) + 1, 0, position)
    const group = wishes.order.length === 0 ? UNNAMED : (named[running[position] ?? 0] ?? UNNAMED)
    groups[group] = (groups[group] ?? 0) - 1
  }
  let group = firstOf(groups)
  if (explored !== null) take(explored)
  while (positions.length < length) {
    const next = firstOf(groups)
    if (next !== group) {
      lineUp(judged, next, wishes)
      taken.length = 0
    }
    group = next
    const canBe = (position: number) => isOfGroup(judged, position, next, wishes)
    take(drawOne({ upTo, count: judged.running, taken, canBe }, random()))
  }
  return positions
}

/** How many of the running each place of the caller's order has. */
function groupSizes({ prepared: { work }, running }: Judged, { order }: Wishes): Uint32Array {
  const sizes = new Uint32Array(UNNAMED + 1)
  if (order.length === 0) {
    sizes[UNNAMED] = running
    return sizes
  }
  for (let k = 0; k < running; k++) {
    const group = work.named[work.running[k] ?? 0] ?? UNNAMED
    sizes[group] = (sizes[group] ?? 0) + 1
  }
  return sizes
}

/** The first that has somebody left; UNNAMED also when none has. */
function firstOf(groups: Uint32Array): number {
  const first = groups.findIndex((size) => size > 0)
  return first === -1 ? UNNAMED : first
}

export const isOfGroup = (
  { prepared: { work } }: Judged,
  position: number,
  group: number,
  { order }: Wishes,
): boolean => order.length === 0 || work.named[work.running[position] ?? 0] === group

/** Writes the line of a group: who is not of it has no width. @returns all weights of it together */
export function lineUp(judged: Judged, group: number, wishes: Wishes): number {
  const { running, weight, upTo } = judged.prepared.work
  let sum = 0
  for (let k = 0; k < judged.running; k++) {
    if (isOfGroup(judged, k, group, wishes)) sum += weight[running[k] ?? 0] ?? 0
    upTo[k] = sum
  }
  return sum
}

function sorted(judged: Judged, wishes: Wishes, sort: NonNullable<Wishes['sort']>, length: number): number[] {
  valueAll(judged, sort)
  const { value, weight, named, running } = judged.prepared.work
  const groupAt = (position: number) =>
    wishes.order.length === 0 ? UNNAMED : (named[running[position] ?? 0] ?? UNNAMED)
  return bestOf(judged.running, length, (a, b) => {
    const [groupA, groupB] = [groupAt(a), groupAt(b)]
    if (groupA !== groupB) return groupA < groupB
    const [valueA, valueB] = [value[a] ?? Infinity, value[b] ?? Infinity]
    if (valueA !== valueB) return valueA < valueB
    return (weight[running[a] ?? 0] ?? 0) > (weight[running[b] ?? 0] ?? 0)
  })
}

/** Millionths of nanos, or ms. Null: not known, or not to be relied on now, so that it comes after all others. */
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

/** Writes how many there are up to each. @returns how many there are */
function countExplorable(judged: Judged): number {
  const { running, explorableUpTo } = judged.prepared.work
  let count = 0
  for (let k = 0; k < judged.running; k++) {
    count += Number(isExplorable(judged, running[k] ?? 0))
    explorableUpTo[k] = count
  }
  return count
}

/** The position of the so manieth of them, from 0. */
const explorableAt = ({ prepared: { work } }: Judged, index: number): number =>
  work.explorableUpTo.findIndex((count) => count > index)

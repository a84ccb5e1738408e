// What is kept of a choice: JSON of a bounded size that says who could be asked, why each other one was not, and enough numbers to draw again (protocol/choice.ts).
// Of ten thousand offers it names those that are asked, the heaviest of the others, and some of those left out; the rest it counts.
import { nanos, toUsd, type NodeId } from '../../../protocol/units.ts'
import { bestOf } from './best.ts'
import { LOST, lostOf, type Lost } from './filters.ts'
import { CHOOSE } from './policy.ts'
import type { RankInput } from './rank-input.ts'
import { isOfGroup, lineUp, sortedBy, type By, type Turns } from './turns.ts'
import { isExplorable, MILLIONTHS, type Judged } from './weights.ts'
import { NO_WISHES, type Wishes } from './wishes.ts'

/** JSON, kept with the call. */
export interface Explanation {
  readonly seed: string
  readonly chosen: NodeId | null
  /** how; null: nobody could be asked */
  readonly by: By | null
  readonly sort: Wishes['sort']
  /** more than half of those that fit were broken, so that no breaker was heeded */
  readonly panic: boolean
  /** of the model */
  readonly offers: number
  /** decimal dollars: a lower price counts as this one */
  readonly cheapest: string
  /** the weights of those the first one was taken from, together */
  readonly total: number
  /** offers the first one may have been taken from evenly, and in which share of calls */
  readonly explore: { readonly offers: number; readonly share: number }
  /** by node id, at most CHOOSE.explained */
  readonly candidates: readonly Explained[]
  /** all others */
  readonly others: {
    readonly offers: number
    readonly weight: number
    readonly lost: Readonly<Partial<Record<Reason, number>>>
  }
}

/** What left it out; or, of those that could be asked, what put another one first. */
export type Reason = Lost | 'draw' | 'order' | 'sort'

export interface Explained {
  readonly nodeId: NodeId
  /** of the estimate, decimal dollars */
  readonly price: string
  /** 0 for those that could not be asked */
  readonly weight: number
  /** its chance to be asked first, exploration included */
  readonly share: number
  /** 1: asked first; null: not at all */
  readonly turn: number | null
  /** null: it was chosen */
  readonly lost: Reason | null
  /** where its weight begins among those the first one was taken from; null: it is not one of them */
  readonly from: number | null
  /** its place among those exploration reaches */
  readonly explored: number | null
  /** what it was sorted by, lowest first: millionths of nanos, or ms */
  readonly value: number | null
}

export function explain(judged: Judged, turns: Turns, { seed, wishes = NO_WISHES }: RankInput): Explanation {
  const { offers, work } = judged.prepared
  const first = turns.positions[0]
  const named = listed(judged, turns)
  // Where the caller names several, later groups had lines of their own.
  const total = wishes.order.length > 0 ? lineUp(judged, turns.group, wishes) : (work.upTo[judged.running - 1] ?? 0)
  const spots = spotsOf(judged, turns, wishes, named)
  return {
    seed,
    chosen: first === undefined ? null : (offers[work.running[first] ?? 0]?.nodeId ?? null),
    by: turns.by,
    sort: wishes.sort,
    panic: judged.panic,
    offers: offers.length,
    cheapest: usd(judged.cheapest),
    total,
    explore: { offers: turns.explorable, share: CHOOSE.exploreShare },
    candidates: named.flatMap(
      (place) => explained(judged, turns, wishes, { place, total, spot: spots.get(place) }) ?? [],
    ),
    others: othersOf(judged, turns, named),
  }
}

/** Rounded up to a nano. Above what an amount can be it is said to be the highest there is. */
export const usd = (millionths: number): string =>
  toUsd(nanos(BigInt(Math.min(Math.ceil(millionths / MILLIONTHS), Number.MAX_SAFE_INTEGER))))

/** Where one that may be asked stands in the line of those the first one is taken from. */
interface Spot {
  /** among the running */
  readonly position: number
  /** null: it is not one of the group */
  readonly from: number | null
  readonly explored: number | null
}

function explained(
  judged: Judged,
  turns: Turns,
  { sort }: Wishes,
  { place, total, spot }: { place: number; total: number; spot: Spot | undefined },
): Explained | null {
  const { offers, work } = judged.prepared
  const offer = offers[place]
  if (!offer) return null
  const { from = null, explored = null } = spot ?? {}
  const weight = spot ? (work.weight[place] ?? 0) : 0
  const turn = spot ? turns.positions.indexOf(spot.position) : -1
  return {
    nodeId: offer.nodeId,
    price: usd(work.cost[place] ?? 0),
    weight,
    share: from === null ? 0 : sort ? Number(turn === 0) : drawnShare(turns, weight / total, explored !== null),
    turn: turn === -1 ? null : turn + 1,
    lost: lostOf(work.lost[place] ?? 0) ?? (turn === 0 ? null : behind(turns)),
    from,
    explored,
    value: sort && spot ? sortedBy(judged, spot.position) : null,
  }
}

/** What puts one who could be asked behind the first. */
const behind = ({ by }: Turns): Reason => (by === 'order' || by === 'sort' ? by : 'draw')

function drawnShare({ explorable }: Turns, drawn: number, isExplored: boolean): number {
  if (explorable === 0) return drawn
  return drawn * (1 - CHOOSE.exploreShare) + (isExplored ? CHOOSE.exploreShare / explorable : 0)
}

/** The chance of one offer to be asked first, 0 when it may not be asked. Of choices that no wish turns. */
export function freeShare(judged: Judged, turns: Turns, place: number): number {
  const { lost, weight, upTo } = judged.prepared.work
  if (lost[place] !== 0) return 0
  const total = upTo[judged.running - 1] ?? 0
  return drawnShare(turns, (weight[place] ?? 0) / total, isExplorable(judged, place))
}

/** Places that are named, by node id: who is asked, the heaviest, and as many as still fit of those left out, but some of them in any case. */
function listed(judged: Judged, turns: Turns): number[] {
  const { prepared, running } = judged
  const size = prepared.offers.length
  const most = CHOOSE.explained
  if (size <= most) return Array.from(prepared.offers.keys())
  const asked = turns.positions.map((position) => prepared.work.running[position] ?? 0)
  const named = new Set(asked.slice(0, most))
  const add = (places: readonly number[], limit: number) => {
    for (const place of places) if (named.size < limit) named.add(place)
  }
  add(heaviest(judged, most), most - Math.min(LEFT_OUT_MIN, size - running))
  add(leftOut(judged, most), most)
  return [...named].sort((a, b) => a - b)
}

/** of those left out, named in any case when there are as many */
const LEFT_OUT_MIN = 8

function heaviest({ prepared: { work }, running }: Judged, count: number): number[] {
  const weightAt = (position: number) => work.weight[work.running[position] ?? 0] ?? 0
  const best = bestOf(running, count, (a, b) => weightAt(a) > weightAt(b))
  return best.map((position) => work.running[position] ?? 0)
}

function leftOut({ prepared: { work } }: Judged, count: number): number[] {
  const places: number[] = []
  for (let i = 0; i < work.lost.length && places.length < count; i++) if (work.lost[i] !== 0) places.push(i)
  return places
}

/** Of the named ones that may be asked. */
function spotsOf(judged: Judged, { group, explorable }: Turns, wishes: Wishes, named: readonly number[]) {
  const { running, upTo, explorableUpTo } = judged.prepared.work
  const isRunning = (position: number, place: number) => position < judged.running && running[position] === place
  return new Map(
    named.flatMap((place): [number, Spot][] => {
      const position = firstAtLeast(running, judged.running, place)
      if (!isRunning(position, place)) return []
      const from = isOfGroup(judged, position, group, wishes) ? (upTo[position - 1] ?? 0) : null
      const isExplored = explorable > 0 && isExplorable(judged, place)
      return [[place, { position, from, explored: isExplored ? (explorableUpTo[position] ?? 1) - 1 : null }]]
    }),
  )
}

/** By halving: the running stand by their place. */
function firstAtLeast(running: Uint32Array, count: number, place: number): number {
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((running[middle] ?? 0) >= place) high = middle
    else low = middle + 1
  }
  return low
}

function othersOf(
  { prepared: { work }, running }: Judged,
  turns: Turns,
  named: readonly number[],
): Explanation['others'] {
  const counts = new Int32Array(LOST.length + 1)
  const count = (code: number, by: number) => {
    counts[code] = (counts[code] ?? 0) + by
  }
  for (let i = 0; i < work.lost.length; i++) count(work.lost[i] ?? 0, 1)
  let weight = 0
  for (let k = 0; k < running; k++) weight += work.weight[work.running[k] ?? 0] ?? 0
  for (const place of named) {
    const code = work.lost[place] ?? 0
    count(code, -1)
    if (code === 0) weight -= work.weight[place] ?? 0
  }
  const said = [...counts].flatMap((number, code): [Reason, number][] =>
    number === 0 ? [] : [[lostOf(code) ?? behind(turns), number]],
  )
  const offers = work.lost.length - named.length
  return { offers, weight: offers === 0 ? 0 : Math.max(0, weight), lost: Object.fromEntries(said) }
}

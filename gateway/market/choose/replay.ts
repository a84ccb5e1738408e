// The same choice again from what was kept of it (rule): whoever doubts a choice draws by its seed among the weights it was made with.
import type { NodeId } from '../../../protocol/units.ts'
import { seededRandom } from './draw.ts'
import type { Explained, Explanation } from './explanation.ts'

/** @returns the node chosen then; another one, or null, when the seed, a weight or a value was changed since */
export function replay({ seed, sort, total, explore, candidates }: Explanation): NodeId | null {
  const group = candidates.filter(({ from }) => from !== null)
  if (sort !== null) return first(group)?.nodeId ?? null
  const random = seededRandom(seed)
  const isExploring = random() < explore.share && explore.offers > 0
  const even = Math.floor(random() * explore.offers)
  if (isExploring) return group.find(({ explored }) => explored === even)?.nodeId ?? null
  const point = random() * total
  return group.find((candidate) => isHit(candidate, point))?.nodeId ?? null
}

const first = (group: readonly Explained[]): Explained | undefined =>
  group.reduce<Explained | undefined>((best, one) => (!best || comesBefore(one, best) ? one : best), undefined)

/** Lowest value first, unknown ones last; of two with one value the heavier. */
function comesBefore(a: Explained, b: Explained): boolean {
  if (a.value === b.value) return a.weight > b.weight
  return b.value === null || (a.value !== null && a.value < b.value)
}

const isHit = ({ from, weight }: Explained, point: number): boolean =>
  from !== null && from <= point && point < from + weight
